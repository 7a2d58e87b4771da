_base_ = 'cvgssl_resnet18.py'

model = dict(backbone=dict(depth=50), neck=dict(in_channels=2048))
