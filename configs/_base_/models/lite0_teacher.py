# EfficientNet-Lite0 of the package registry; a model adds its type and levels
model = dict(
    teacher=dict(
        type='mmcvgssl.TimmTeacher',
        model_name='tf_efficientnet_lite0',
        weights='package:efficientnet-lite0',
        input_size='${input_size}',
        interpolation='bilinear',
    ),
)
