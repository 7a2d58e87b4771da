_base_ = 'yolov8_n_1xb16-300e_magnetic-tile.py'

backbone_checkpoint = (
    'work_dirs/agbp_csp-n_1xb32-30e_magnetic-tile/epoch_30.pth'
)
