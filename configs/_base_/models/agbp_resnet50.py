# strides 16 and 32 learn the maps
model = dict(
    type='mmcvgssl.AnomalyDistillClassifier',
    data_preprocessor=dict(
        type='mmpretrain.ClsDataPreprocessor',
        mean=[110.30, 113.43, 109.91],
        std=[32.03, 30.61, 30.27],
        to_rgb=True,
    ),
    backbone=dict(
        type='mmpretrain.ResNet',
        depth=50,
        out_indices=(2, 3),
        frozen_stages=2,
    ),
    distill_head=dict(type='mmcvgssl.AnomalyDistillHead', weight=1.0),
    task_weight=0.1,
)
