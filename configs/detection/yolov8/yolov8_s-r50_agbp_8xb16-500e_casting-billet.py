_base_ = 'yolov8_s-r50_8xb16-500e_casting-billet.py'

backbone_checkpoint = (
    'work_dirs/agbp_resnet50_8xb128-200e_folder/epoch_200.pth'
)
