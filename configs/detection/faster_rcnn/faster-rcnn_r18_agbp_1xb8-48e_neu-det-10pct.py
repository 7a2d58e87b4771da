_base_ = 'faster-rcnn_r18_1xb8-48e_neu-det-10pct.py'

backbone_checkpoint = 'work_dirs/agbp_resnet18_1xb32-10e_neu-det/epoch_10.pth'
model = dict(backbone=dict(frozen_stages=2))
