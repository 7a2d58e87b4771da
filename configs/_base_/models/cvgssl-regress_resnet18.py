# regression of standardised teacher levels, no contrast: what measures best
model = dict(
    type='mmcvgssl.CVGSSL',
    backbone=dict(type='mmpretrain.ResNet', depth=18, zero_init_residual=True),
    regression_head=dict(
        type='mmcvgssl.FeatureRegressionHead',
        in_channels=512,
        standardize=True,
    ),
    mixup=0.3,
    channels_last=True,
)
