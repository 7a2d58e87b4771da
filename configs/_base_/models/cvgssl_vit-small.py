_base_ = 'cvgssl_resnet18.py'

# fixed 2-D sin-cos positions and a frozen patch projection, as in MoCo v3
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmpretrain.MoCoV3ViT',
        arch='mocov3-small',
        img_size=224,
        patch_size=16,
        stop_grad_conv1=True,
    ),
    neck=dict(in_channels=384, num_layers=3),
    head=dict(last_bn=True),
)
