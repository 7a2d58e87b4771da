# no norm at the output: behind it the distillation hardly reaches the
# backbone
model = dict(
    type='mmcvgssl.AnomalyDistillSimMIM',
    data_preprocessor=dict(
        type='mmpretrain.SelfSupDataPreprocessor',
        mean=[110.30, 113.43, 109.91],
        std=[32.03, 30.61, 30.27],
        to_rgb=True,
    ),
    backbone=dict(
        type='mmpretrain.SimMIMSwinTransformer',
        arch='base',
        img_size=192,
        stage_cfgs=dict(block_cfgs=dict(window_size=6)),
        out_indices=(3,),
        frozen_stages=1,
        norm_cfg=None,
    ),
    neck=dict(
        type='mmpretrain.SimMIMLinearDecoder',
        in_channels=1024,
        encoder_stride=32,
    ),
    head=dict(
        type='mmpretrain.SimMIMHead',
        patch_size=4,
        loss=dict(
            type='mmpretrain.PixelReconstructionLoss',
            criterion='L1',
            channel=3,
        ),
    ),
    distill_head=dict(type='mmcvgssl.AnomalyDistillHead', weight=2.0),
)
