_base_ = 'lite0_teacher.py'
# level 3: stride 16, 112 channels
model = dict(
    type='mmcvgssl.PatchCore',
    teacher=dict(levels=(3,)),
    coreset_size=20_000,
    pool_size=100_000,
    top=0.02,
)
