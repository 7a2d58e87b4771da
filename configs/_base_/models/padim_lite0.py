# a Gaussian for each position: for parts that lie in one position
model = dict(
    type='mmcvgssl.PaDiM',
    teacher=dict(
        type='mmcvgssl.TimmTeacher',
        model_name='tf_efficientnet_lite0',
        weights='package:efficientnet-lite0',
        levels=(2, 3, 4),
        input_size=256,
        interpolation='bilinear',
    ),
)
