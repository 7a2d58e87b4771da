_base_ = 'yolov8_n_1xb8-100e_neu-det-10pct.py'

backbone_checkpoint = 'work_dirs/agbp_csp-n_1xb32-30e_neu-det/epoch_30.pth'
