# AGSSP: unlabelled images → maps → boxes → AGBP → AGDP → fine-tuning → test
data = dict(data_root='{root}', split_dir='{lists}', ann_file='images.txt')
stages = dict(
    maps=dict(
        tool='make_maps',
        config='mmcvgssl::anomaly/musc/musc_lite0_folder.py',
    ),
    boxes=dict(
        tool='maps_to_boxes',
        config='maps',
        # of images that could not be read
        arguments=dict(allow_missing=True),
    ),
    agbp=dict(
        tool='train',
        config='mmcvgssl::pretrain/agbp/agbp_csp-s_1xb32-100e_folder.py',
        options={
            'maps': '{maps}',
            'train_dataloader.dataset.allow_missing': True,
            **data,
        },
    ),
    agdp=dict(
        tool='train',
        config='mmcvgssl::pretrain/agdp/'
        'agdp_yolov8_s_8xb16-10e_pseudo-boxes.py',
        options=dict(
            img='{root}', ann_file='{boxes}', backbone_checkpoint='{agbp}'
        ),
    ),
    finetune=dict(
        tool='train',
        config='mmcvgssl::detection/yolov8/yolov8_s_8xb16-500e_coco-format.py',
        num_classes='labels',
        options={
            'load_from': '{agdp}',
            'train_dataloader.dataset.data_root': '{root}',
            'train_dataloader.dataset.ann_file': '{labels_train}',
            'test_dataloader.dataset.data_root': '{root}',
            'test_dataloader.dataset.ann_file': '{labels_test}',
            # the test comes once, at the end
            'val_dataloader': None,
            'val_evaluator': None,
            'val_cfg': None,
        },
    ),
    test=dict(tool='test', config='finetune'),
)
