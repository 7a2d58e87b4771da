# starts from the weights of a Python package: needs no hub
_base_ = 'cutpaste_resnet18.py'

data_preprocessor = dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5])
model = dict(
    backbone=dict(
        _delete_=True,
        type='mmcvgssl.TimmBackbone',
        model_name='tf_efficientnet_lite0',
        weights='package:efficientnet-lite0',
    ),
    in_channels=1280,
)
