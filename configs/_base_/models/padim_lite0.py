_base_ = 'lite0_teacher.py'
# a Gaussian for each position: for parts that lie in one position
model = dict(
    type='mmcvgssl.PaDiM',
    teacher=dict(levels=(2, 3, 4)),
)
