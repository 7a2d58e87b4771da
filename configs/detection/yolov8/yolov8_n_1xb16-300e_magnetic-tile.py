_base_ = [
    '../../_base_/detectors/yolov8_n_256px.py',
    '../../_base_/datasets/magnetic_tile_det.py',
]
