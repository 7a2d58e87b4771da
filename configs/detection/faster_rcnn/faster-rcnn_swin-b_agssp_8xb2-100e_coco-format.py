_base_ = 'faster-rcnn_swin-b_8xb2-100e_coco-format.py'

load_from = (
    'work_dirs/agdp_faster-rcnn_swin-b_8xb2-10e_pseudo-boxes/epoch_10.pth'
)
model = dict(backbone=dict(frozen_stages=1))
