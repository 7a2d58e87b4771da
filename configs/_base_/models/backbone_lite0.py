# ImageNet's EfficientNet-Lite0, whose weights a Python package holds, for
# detectors and as what goes to them
lite0 = dict(
    type='mmcvgssl.TimmBackbone',
    model_name='tf_efficientnet_lite0',
    weights='package:efficientnet-lite0',
    features_only=True,
    out_indices=(2, 3, 4),
)
normalisation = dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5])
