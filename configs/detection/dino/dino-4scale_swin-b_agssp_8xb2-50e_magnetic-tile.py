_base_ = 'dino-4scale_swin-b_8xb2-50e_magnetic-tile.py'

load_from = (
    'work_dirs/agdp_dino-4scale_swin-b_8xb2-10e_pseudo-boxes/epoch_10.pth'
)
model = dict(backbone=dict(frozen_stages=1))
