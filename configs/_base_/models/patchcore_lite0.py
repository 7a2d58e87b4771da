# level 3: stride 16, 112 channels
model = dict(
    type='mmcvgssl.PatchCore',
    teacher=dict(
        type='mmcvgssl.TimmTeacher',
        model_name='tf_efficientnet_lite0',
        weights='package:efficientnet-lite0',
        levels=(3,),
        input_size='${input_size}',
        interpolation='bilinear',
    ),
    coreset_size=20_000,
    pool_size=100_000,
    top=0.02,
)
