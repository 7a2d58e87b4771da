# ImageNet's EfficientNet-Lite0, whose weights a Python package holds
lite0 = dict(
    type='mmcvgssl.TimmBackbone',
    model_name='tf_efficientnet_lite0',
    weights='package:efficientnet-lite0',
)
normalisation = dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5])
