# a student that begins as its teacher, ImageNet's EfficientNet-Lite0: of a
# crop it learns to say what the teacher says of the whole image
_base_ = ['teacher_lite0-levels.py', 'lite0.py']

poolings = ('mean', 'std', 'max')
teachers = _base_.teachers
teachers[0].update(input_size=224, poolings=poolings)
model = dict(
    type='mmcvgssl.CVGSSL',
    backbone=dict(
        **_base_.lite0, levels=(3, 4), frozen_stages=2, norm_eval=True
    ),
    teachers=teachers,
    teacher_view='weak',
    regression_head=dict(
        type='mmcvgssl.FeatureRegressionHead',
        in_channels=1280,
        standardize=True,
    ),
    channels_last=True,
)
