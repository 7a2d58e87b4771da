# a student that begins with ImageNet's weights
_base_ = ['simclr_resnet18.py', 'lite0.py']

model = dict(
    backbone=dict(
        _delete_=True,
        **_base_.lite0,
        frozen_stages=2,
        norm_eval=True,
    ),
    neck=dict(in_channels=1280),
)
