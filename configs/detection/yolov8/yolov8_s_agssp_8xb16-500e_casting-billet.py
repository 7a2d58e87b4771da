_base_ = 'yolov8_s_8xb16-500e_casting-billet.py'

load_from = 'work_dirs/agdp_yolov8_s_8xb16-10e_pseudo-boxes/epoch_10.pth'
