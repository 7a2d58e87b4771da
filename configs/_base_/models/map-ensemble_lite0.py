# a fine level for small defects, a deep one of larger images for large ones:
# both score, the deep one draws the map
teacher = dict(
    type='mmcvgssl.TimmTeacher',
    model_name='tf_efficientnet_lite0',
    weights='package:efficientnet-lite0',
    interpolation='bilinear',
)
member = dict(
    type='mmcvgssl.PatchCore', coreset_size=20_000, pool_size=100_000
)
model = dict(
    type='mmcvgssl.MapEnsemble',
    members=[
        dict(
            **member,
            teacher=dict(**teacher, levels=(3,), input_size=256),
            top=0.02,
        ),
        dict(
            **member,
            teacher=dict(**teacher, levels=(4,), input_size='${input_size}'),
            neighbourhood=1,
            local_scale=5,
            top=0.02,
        ),
    ],
    map_weights=(0.0, 1.0),
)
