# the host's SimCLR and projection, its head with whole gradients in several
# processes, batch norm for CPUs too
model = dict(
    type='mmpretrain.SimCLR',
    backbone=dict(type='mmpretrain.ResNet', depth=18, zero_init_residual=True),
    neck=dict(
        type='mmpretrain.NonLinearNeck',
        in_channels=512,
        hid_channels=512,
        out_channels=128,
        num_layers=2,
        with_avg_pool=True,
        norm_cfg=dict(type='BN1d'),
    ),
    head=dict(
        type='mmcvgssl.SimCLRHead',
        loss=dict(type='mmpretrain.CrossEntropyLoss'),
        temperature=0.1,
    ),
)
