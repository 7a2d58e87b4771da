# for boxes: a grid of 64 x 64, zero where good images are alike
_base_ = 'mahalanobis-ad_lite0_folder.py'

input_size = 512
model = dict(
    teacher=dict(levels=(2, 3)),
    image_score='max',
    calibration=dict(floor=0.5),
)
