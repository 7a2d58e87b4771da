# the backbone of YOLOv8-s; strides 16 and 32 learn the maps
model = dict(
    type='mmcvgssl.AnomalyDistillClassifier',
    # as YOLOv8 normalises, to which the backbone goes
    data_preprocessor=dict(
        type='mmpretrain.ClsDataPreprocessor',
        mean=[0.0, 0.0, 0.0],
        std=[255.0, 255.0, 255.0],
        to_rgb=True,
    ),
    backbone=dict(
        type='mmyolo.YOLOv8CSPDarknet',
        arch='P5',
        deepen_factor=0.33,
        widen_factor=0.5,
        last_stage_out_channels=1024,
        out_indices=(3, 4),
        frozen_stages=2,
        norm_cfg=dict(type='BN', momentum=0.03, eps=0.001),
        act_cfg=dict(type='SiLU', inplace=True),
    ),
    distill_head=dict(type='mmcvgssl.AnomalyDistillHead', weight=1.0),
    task_weight=0.1,
)
