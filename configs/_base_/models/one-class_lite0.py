# pretrained features as they are: what training has to beat
_base_ = 'lite0.py'

model = dict(
    type='mmcvgssl.OneClassDetector',
    backbone=_base_.lite0,
    **_base_.normalisation,
    false_alarm_rate=0.05,
)
