_base_ = 'faster-rcnn_r18_1xb8-48e_neu-det-10pct.py'

backbone_checkpoint = 'work_dirs/agbp_resnet18_1xb32-30e_neu-det/epoch_30.pth'
model = dict(backbone=dict(frozen_stages=2))
