# YOLOv8 with the depth of n on ImageNet's EfficientNet-Lite0, whose weights a
# Python package holds
_base_ = 'yolov8_n_256px.py'

# 40, 112 and 320 of the backbone, over the widen factor
channels = [160, 448, 1280]

model = dict(
    data_preprocessor=dict(
        mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]
    ),
    backbone=dict(
        _delete_=True,
        type='mmcvgssl.TimmBackbone',
        model_name='tf_efficientnet_lite0',
        weights='package:efficientnet-lite0',
        features_only=True,
        out_indices=(2, 3, 4),
    ),
    neck=dict(in_channels=channels, out_channels=channels),
    bbox_head=dict(head_module=dict(in_channels=channels)),
)
optim_wrapper = dict(optimizer=dict(lr=_base_.base_lr / 4))
