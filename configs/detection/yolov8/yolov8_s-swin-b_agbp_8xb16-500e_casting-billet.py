_base_ = 'yolov8_s-swin-b_8xb16-500e_casting-billet.py'

backbone_checkpoint = (
    'work_dirs/agbp_swin-b-simmim_8xb56-100e_folder/epoch_100.pth'
)
