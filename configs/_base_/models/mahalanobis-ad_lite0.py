_base_ = 'lite0_teacher.py'
# the cheap one: one Gaussian of patches for the map, one of mean- and
# max-pooled features of each level for the score
model = dict(
    type='mmcvgssl.MahalanobisAD',
    teacher=dict(levels=(3, 4)),
    image_score='pooled',
    normalise=True,
)
