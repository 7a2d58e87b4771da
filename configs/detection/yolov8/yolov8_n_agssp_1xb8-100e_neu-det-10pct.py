_base_ = 'yolov8_n_1xb8-100e_neu-det-10pct.py'

load_from = 'work_dirs/agdp_yolov8_n_1xb16-10e_pseudo-boxes/epoch_10.pth'
