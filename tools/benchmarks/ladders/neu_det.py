# NEU-DET with few labels, YOLOv8-n at 256 px, as long as one would train:
# 300 epochs of batches of 16, so 8 updates an epoch of 126 images.
# Given: root=data/neu_det, labels=data/neu_det/mmcvgssl/train_10pct.json,
# and, for rows that start from them, maps and boxes.
csp = 'configs/detection/yolov8/yolov8_n_1xb16-300e_neu-det.py'
lite0 = 'configs/detection/yolov8/yolov8_n-lite0_1xb16-300e_neu-det.py'
epochs = 300
bfloat16 = {'optim_wrapper.type': 'mmcvgssl.AutocastOptimWrapper'}
options = {
    'data_root': '{root}',
    'ann_file': '{labels}',
    'train_dataloader.num_workers': 1,
    'train_cfg.val_interval': 25,
    'default_hooks.checkpoint.interval': 100,
    **bfloat16,
}
unlabelled = {
    'data_root': '{root}',
    'ann_file': 'train_unlabelled.txt',
    'train_dataloader.num_workers': 1,
    **bfloat16,
}
pseudo = {
    'img': '{root}',
    'ann_file': '{boxes}',
    'train_dataloader.num_workers': 1,
    **bfloat16,
}
stages = {
    'agbp': dict(
        recipe='configs/pretrain/agbp/agbp_csp-n_1xb32-30e_folder.py',
        options={**unlabelled, 'maps': '{maps}'},
        epochs=30,
    ),
    'agdp': dict(
        recipe='configs/pretrain/agdp/agdp_yolov8_n_1xb16-10e_pseudo-boxes.py',
        options={**pseudo, 'backbone_checkpoint': '{agbp}'},
        epochs=10,
    ),
    'agbp-lite0': dict(
        recipe='configs/pretrain/agbp/agbp_lite0_1xb32-30e_folder.py',
        options={**unlabelled, 'maps': '{maps}'},
        epochs=30,
    ),
    'agdp-lite0': dict(
        recipe='configs/pretrain/agdp/'
        'agdp_yolov8_n-lite0_1xb16-10e_pseudo-boxes.py',
        options={**pseudo, 'backbone_checkpoint': '{agbp-lite0}'},
        epochs=10,
    ),
}
# kind: what its options are chosen for, by which row
rates = [0.01, 0.0025]
frozen = [-1, 1]
lr = 'optim_wrapper.optimizer.lr'
stage = 'model.backbone.frozen_stages'
search = {
    'noise': dict(row='scratch', grid={lr: rates}),
    'imagenet': dict(row='ImageNet Lite0', grid={lr: rates, stage: frozen}),
    'pretrained': dict(row='AGSSP', grid={lr: rates, stage: frozen}),
}
rows = {
    'scratch': dict(kind='noise', recipe=csp, seeds=3),
    'ImageNet Lite0': dict(kind='imagenet', recipe=lite0, seeds=3),
    'AGBP': dict(
        kind='pretrained',
        recipe=csp,
        options={'backbone_checkpoint': '{agbp}'},
        seeds=2,
    ),
    'AGSSP': dict(
        kind='pretrained',
        recipe=csp,
        options={'load_from': '{agdp}'},
        seeds=3,
    ),
    'AGSSP from ImageNet Lite0': dict(
        kind='imagenet',
        recipe=lite0,
        options={'load_from': '{agdp-lite0}'},
        seeds=3,
    ),
}
