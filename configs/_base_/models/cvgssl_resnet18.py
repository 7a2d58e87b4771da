# the method's student and heads; a teacher comes from another base
model = dict(
    type='mmcvgssl.CVGSSL',
    backbone=dict(type='mmpretrain.ResNet', depth=18, zero_init_residual=True),
    neck=dict(
        type='mmpretrain.NonLinearNeck',
        in_channels=512,
        hid_channels=512,
        out_channels=256,
        num_layers=2,
        with_last_bn=False,
        with_avg_pool=False,
        norm_cfg=dict(type='BN1d'),
    ),
    head=dict(type='mmcvgssl.CVGSSLHead', temperature=1.0, self_weight=0.01),
)
