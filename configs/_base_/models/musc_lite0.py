# for a collection in which nothing is known to be good
model = dict(
    type='mmcvgssl.MuSc',
    teacher=dict(
        type='mmcvgssl.TimmTeacher',
        model_name='tf_efficientnet_lite0',
        weights='package:efficientnet-lite0',
        levels=(3,),
        input_size='${input_size}',
        interpolation='bilinear',
    ),
    references=100,
)
