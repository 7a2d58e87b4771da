_base_ = 'yolov8_n_1xb8-60e_magnetic-tile.py'

load_from = 'work_dirs/agdp_yolov8_n_1xb16-10e_pseudo-boxes/epoch_10.pth'
