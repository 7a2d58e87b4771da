# the backbone of YOLOv8-n learns from a teacher; a leaf takes the
# normalisation, which is YOLOv8's
_base_ = ['agbp_csp-n.py', 'teacher_lite0-levels.py']

backbone = _base_.model.backbone
backbone.frozen_stages = -1
distill_head = _base_.model.distill_head
normalisation = _base_.model.data_preprocessor
normalisation.type = 'mmpretrain.SelfSupDataPreprocessor'

model = dict(
    _delete_=True,
    type='mmcvgssl.CVGSSL',
    backbone=backbone,
    teachers=_base_.teachers,
    regression_head=dict(
        type='mmcvgssl.FeatureRegressionHead',
        in_channels=256,
        standardize=True,
    ),
    mixup=0.3,
    channels_last=True,
)
