# pretrained features as they are: what training has to beat
model = dict(
    type='mmcvgssl.OneClassDetector',
    backbone=dict(
        type='mmcvgssl.TimmBackbone',
        model_name='tf_efficientnet_lite0',
        weights='package:efficientnet-lite0',
    ),
    mean=[127.5, 127.5, 127.5],
    std=[127.5, 127.5, 127.5],
    false_alarm_rate=0.05,
)
