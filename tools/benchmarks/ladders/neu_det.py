# NEU-DET with few labels, YOLOv8-n at 256 px, as long as one would train:
# 300 epochs of batches of 16, so 8 updates an epoch of 126 images.
# Given: root=data/neu_det, labels=$root/mmcvgssl/train_10pct.json (or 05pct),
# unlabelled and test beside it, maps and boxes that rows start from, and
# selected, as many labels as those, of images that mmcvgssl select chose.
detectors = {
    'csp': 'configs/detection/yolov8/yolov8_n_1xb16-300e_neu-det.py',
    'lite0': 'configs/detection/yolov8/yolov8_n-lite0_1xb16-300e_neu-det.py',
}
epochs = 300
folds = 1  # of three, to choose options on
options = {
    'data_root': '{root}',
    'ann_file': '{labels}',
    'train_dataloader.num_workers': 1,
    'val_dataloader.num_workers': 1,
    'train_cfg.val_interval': 50,
    'default_hooks.checkpoint.interval': 50,
}
sampler = dict(
    _delete_=True, type='mmcvgssl.UpdateSampler', updates=8, batch_size=16
)
row_options = {'train_dataloader.sampler': str(sampler)}
on_cpu = {'optim_wrapper.type': 'mmcvgssl.AutocastOptimWrapper'}
unlabelled = {
    'data_root': '{root}',
    'ann_file': 'train_unlabelled.txt',
    'train_dataloader.num_workers': 1,
}
pseudo = {
    'img': '{root}',
    'ann_file': '{boxes}',
    'train_dataloader.num_workers': 1,
}
# what mmcvgssl self-train takes
self_training = {
    'images': '{unlabelled}',
    'root': '{root}',
    'labels': '{labels}',
    'exclude': '{test}',
    'workers': 1,
}
agbp = dict(
    recipe='configs/pretrain/agbp/agbp_csp-n_1xb32-30e_folder.py', epochs=30
)
cvgssl_agbp = dict(
    recipe='configs/pretrain/agbp/cvgssl-agbp_csp-n_lite0_1xb32-30e_folder.py',
    epochs=30,
)
agdp = dict(
    recipe='configs/pretrain/agdp/agdp_yolov8_n_1xb16-10e_pseudo-boxes.py',
    epochs=10,
)
with_maps = {**unlabelled, 'maps': '{maps}'}
seed_1 = {'randomness.seed': 1}
stages = {
    'agbp': {**agbp, 'options': with_maps},
    'agdp': {**agdp, 'options': {**pseudo, 'backbone_checkpoint': '{agbp}'}},
    # both anew, with another seed
    'agbp-1': {**agbp, 'options': {**with_maps, **seed_1}},
    'agdp-1': {
        **agdp,
        'options': {**pseudo, 'backbone_checkpoint': '{agbp-1}', **seed_1},
    },
    'cvgssl-agbp': {**cvgssl_agbp, 'options': with_maps},
    'agdp-cvgssl': {
        **agdp,
        'options': {**pseudo, 'backbone_checkpoint': '{cvgssl-agbp}'},
    },
    'agbp-lite0': dict(
        recipe='configs/pretrain/agbp/agbp_lite0_1xb32-30e_folder.py',
        options=with_maps,
        epochs=30,
    ),
    'agdp-lite0': dict(
        recipe='configs/pretrain/agdp/'
        'agdp_yolov8_n-lite0_1xb16-10e_pseudo-boxes.py',
        options={**pseudo, 'backbone_checkpoint': '{agbp-lite0}'},
        epochs=10,
    ),
}
# by kind of start: what is tried on folds, with which row
lr = 'optim_wrapper.optimizer.lr'
flips = {'flip_prob': [0.25, 0.25, 0.25]}
tries = [{lr: 0.01}, {lr: 0.0025}, {lr: 0.01, **flips}]
search = {
    'noise': dict(row='scratch', tries=tries),
    'imagenet': dict(row='ImageNet Lite0', tries=tries),
    'pretrained': dict(row='AGSSP', tries=tries),
}
from_imagenet = dict(kind='imagenet', detector='lite0')
agssp = {'options': {'load_from': '{agdp}'}, 'kind': 'pretrained'}
agssp_lite0 = {**from_imagenet, 'options': {'load_from': '{agdp-lite0}'}}
rows = {
    'scratch': dict(kind='noise', detector='csp', seeds=3),
    'ImageNet Lite0': {**from_imagenet, 'seeds': 3},
    'AGSSP': {**agssp, 'detector': 'csp', 'seeds': 3},
    'AGSSP, pretrained with another seed': {
        **agssp,
        'detector': 'csp',
        'options': {'load_from': '{agdp-1}'},
        'seeds': 2,
    },
    'CVGSSL and AGSSP': {
        **agssp,
        'detector': 'csp',
        'options': {'load_from': '{agdp-cvgssl}'},
        'seeds': 2,
    },
    'scratch, self-trained': dict(
        kind='noise', detector='csp', teacher='scratch', seeds=3
    ),
    'AGSSP, self-trained': {
        **agssp,
        'detector': 'csp',
        'teacher': 'AGSSP',
        'seeds': 3,
    },
    'AGSSP from ImageNet Lite0': {**agssp_lite0, 'seeds': 3},
    'AGSSP from ImageNet Lite0, self-trained': {
        **agssp_lite0,
        'teacher': 'AGSSP from ImageNet Lite0',
        'seeds': 3,
    },
    'ImageNet Lite0, self-trained': {
        **from_imagenet,
        'teacher': 'ImageNet Lite0',
        'seeds': 2,
    },
    'AGBP': dict(
        kind='pretrained',
        detector='csp',
        options={'backbone_checkpoint': '{agbp}'},
        seeds=2,
    ),
    'ImageNet Lite0, selected labels': {
        **from_imagenet,
        'options': {'ann_file': '{selected}'},
        'seeds': 2,
    },
    'AGSSP from ImageNet Lite0, selected labels': {
        **from_imagenet,
        'options': {**agssp_lite0['options'], 'ann_file': '{selected}'},
        'seeds': 2,
    },
}
