_base_ = 'faster-rcnn_swin-b_8xb2-100e_neu-det.py'

backbone_checkpoint = (
    'work_dirs/agbp_swin-b-simmim_8xb56-100e_folder/epoch_100.pth'
)
model = dict(backbone=dict(frozen_stages=1))
