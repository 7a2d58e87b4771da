_base_ = 'agbp_resnet50.py'

model = dict(backbone=dict(depth=18))
