_base_ = 'yolov8_s_8xb16-500e_steel-pipe.py'

backbone_checkpoint = 'work_dirs/agbp_csp-s_8xb128-200e_folder/epoch_200.pth'
