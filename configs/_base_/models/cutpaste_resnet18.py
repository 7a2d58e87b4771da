# trained by mmcvgssl train; mmcvgssl one-class gives its backbone to the
# detector
data_preprocessor = dict(
    type='mmcvgssl.InPlaceSelfSupDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    to_rgb=True,
)
model = dict(
    type='mmcvgssl.CutPasteClassifier',
    backbone=dict(type='mmpretrain.ResNet', depth=18),
    in_channels=512,
    num_classes=3,
)
detector = dict(type='mmcvgssl.OneClassDetector', false_alarm_rate=0.05)
fit_cfg = dict(type='mmcvgssl.FitLoop')
