# for boxes: a grid of 64 x 64, zero where good tiles are alike
_base_ = [
    '../../_base_/models/gaussian-patch_lite0.py',
    '../../_base_/datasets/magnetic_tile_512px.py',
    '../../_base_/anomaly_runtime.py',
]

model = dict(
    teacher=dict(levels=(2, 3)),
    image_score='max',
    calibration=dict(floor=0.5),
)
