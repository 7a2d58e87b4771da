_base_ = 'faster-rcnn_r18_1xb8-100e_magnetic-tile.py'

backbone_checkpoint = (
    'work_dirs/agbp_resnet18_1xb32-30e_magnetic-tile/epoch_30.pth'
)
model = dict(backbone=dict(frozen_stages=2))
