_base_ = 'faster-rcnn_r18_1xb8-48e_neu-det-10pct.py'

load_from = 'work_dirs/agdp_faster-rcnn_r18_1xb8-10e_pseudo-boxes/epoch_10.pth'
model = dict(backbone=dict(frozen_stages=2))
