_base_ = 'dino-4scale_swin-b_8xb2-50e_magnetic-tile.py'

backbone_checkpoint = (
    'work_dirs/agbp_swin-b-simmim_8xb56-100e_folder/epoch_100.pth'
)
model = dict(backbone=dict(frozen_stages=1))
