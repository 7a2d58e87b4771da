_base_ = 'faster-rcnn_r50_8xb2-100e_neu-det.py'

backbone_checkpoint = (
    'work_dirs/agbp_resnet50_8xb128-200e_folder/epoch_200.pth'
)
model = dict(backbone=dict(frozen_stages=2))
