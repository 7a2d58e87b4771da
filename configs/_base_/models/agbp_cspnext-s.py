# the backbone of RTMDet-s; strides 16 and 32 learn the maps
model = dict(
    type='mmcvgssl.AnomalyDistillClassifier',
    # as RTMDet normalises, BGR, to which the backbone goes
    data_preprocessor=dict(
        type='mmpretrain.ClsDataPreprocessor',
        mean=[103.53, 116.28, 123.675],
        std=[57.375, 57.12, 58.395],
        to_rgb=False,
    ),
    backbone=dict(
        type='mmdet.CSPNeXt',
        arch='P5',
        deepen_factor=0.33,
        widen_factor=0.5,
        out_indices=(3, 4),
        frozen_stages=-1,
        norm_cfg=dict(type='BN'),
        act_cfg=dict(type='SiLU', inplace=True),
    ),
    distill_head=dict(type='mmcvgssl.AnomalyDistillHead', weight=1.0),
    task_weight=0.1,
)
