# images and the maps that mmcvgssl maps made of them
defaults = dict(
    data_root=None,  # folder of images in any nesting: to be given
    maps='',  # folder of the maps: to be given
    split_dir='mmcvgssl',  # folder of lists, in data_root
    ann_file='',  # list of images; '': all
    crop_size=224,
    views='workers',  # or 'device' makes them; 'auto': a GPU does
)

geometry = [
    dict(
        type='RandomResize',
        scale=(512, 512),
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
    ),
    dict(
        type='mmcvgssl.MapCrop', crop_size='${crop_size}', cat_max_ratio=0.75
    ),
    dict(type='RandomFlip', prob=0.5),
]
train_pipeline = [
    dict(type='mmcvgssl.LoadImage'),
    dict(type='mmcvgssl.LoadAnomalyMap'),
    dict(type='mmcvgssl.JointGeometry', transforms=geometry),
    dict(
        type='mmcvgssl.FastColorJitter',
        brightness=0.125,
        contrast=0.5,
        saturation=0.5,
        hue=0.05,
    ),
    dict(
        type='mmcvgssl.PackInputsWithMap',
        meta_keys=('sample_idx', 'img_path', 'view_set'),
    ),
]
train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmcvgssl.AnomalyMapDataset',
        data_root='${data_root}',
        maps='${maps}',
        split_dir='${split_dir}',
        ann_file='${ann_file}',
        pipeline=train_pipeline,
    ),
)
