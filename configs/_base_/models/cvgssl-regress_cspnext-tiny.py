# the backbone of RTMDet-tiny learns from a teacher; a leaf takes the
# normalisation, which is RTMDet's
_base_ = ['agbp_cspnext-tiny.py', 'teacher_lite0-levels.py']

backbone = _base_.model.backbone
normalisation = _base_.model.data_preprocessor
normalisation.type = 'mmpretrain.SelfSupDataPreprocessor'

model = dict(
    _delete_=True,
    type='mmcvgssl.CVGSSL',
    backbone=backbone,
    teachers=_base_.teachers,
    regression_head=dict(
        type='mmcvgssl.FeatureRegressionHead',
        in_channels=384,
        standardize=True,
    ),
    mixup=0.3,
    channels_last=True,
)
