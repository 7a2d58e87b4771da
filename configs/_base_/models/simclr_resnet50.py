_base_ = 'simclr_resnet18.py'

model = dict(
    backbone=dict(depth=50), neck=dict(in_channels=2048, hid_channels=2048)
)
