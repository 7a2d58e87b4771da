# YOLOv8 with the depth of s and the widths of the backbone
_base_ = ['yolov8_s.py', '../models/backbone_swin-b.py']

channels = [256, 512, 1024]

model = dict(
    data_preprocessor=_base_.normalisation,
    backbone=dict(_delete_=True, **_base_.swin_b),
    neck=dict(widen_factor=1.0, in_channels=channels, out_channels=channels),
    bbox_head=dict(head_module=dict(widen_factor=1.0, in_channels=channels)),
)
optim_wrapper = dict(optimizer=dict(lr=_base_.base_lr / 4))
find_unused_parameters = True
