# the cheap one: one Gaussian of patches for the map, one of mean- and
# max-pooled features of each level for the score
model = dict(
    type='mmcvgssl.MahalanobisAD',
    teacher=dict(
        type='mmcvgssl.TimmTeacher',
        model_name='tf_efficientnet_lite0',
        weights='package:efficientnet-lite0',
        levels=(3, 4),
        input_size='${input_size}',
        interpolation='bilinear',
    ),
    image_score='pooled',
    normalise=True,
)
