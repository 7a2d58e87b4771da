# YOLOv8 with the depth of n on ImageNet's EfficientNet-Lite0
_base_ = ['yolov8_n_256px.py', '../models/backbone_lite0.py']

# 40, 112 and 320 of the backbone, over the widen factor
channels = [160, 448, 1280]

model = dict(
    data_preprocessor=_base_.normalisation,
    backbone=dict(_delete_=True, **_base_.lite0),
    neck=dict(in_channels=channels, out_channels=channels),
    bbox_head=dict(head_module=dict(in_channels=channels)),
)
optim_wrapper = dict(optimizer=dict(lr=_base_.base_lr / 4))
