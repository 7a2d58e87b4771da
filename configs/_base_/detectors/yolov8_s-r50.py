# YOLOv8 with the depth of s and the widths of the backbone
_base_ = ['yolov8_s.py', '../models/backbone_resnet50.py']

channels = [512, 1024, 2048]

model = dict(
    data_preprocessor=_base_.normalisation,
    backbone=dict(_delete_=True, **_base_.resnet50),
    neck=dict(widen_factor=1.0, in_channels=channels, out_channels=channels),
    bbox_head=dict(head_module=dict(widen_factor=1.0, in_channels=channels)),
)
optim_wrapper = dict(optimizer=dict(lr=_base_.base_lr / 4))
find_unused_parameters = True
