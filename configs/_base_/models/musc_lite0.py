_base_ = 'lite0_teacher.py'
# for a collection in which nothing is known to be good
model = dict(
    type='mmcvgssl.MuSc',
    teacher=dict(levels=(3,)),
    references=100,
)
