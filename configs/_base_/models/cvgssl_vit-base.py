_base_ = 'cvgssl_vit-small.py'

model = dict(backbone=dict(arch='base'), neck=dict(in_channels=768))
