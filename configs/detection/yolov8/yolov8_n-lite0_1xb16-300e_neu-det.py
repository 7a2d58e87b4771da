_base_ = [
    '../../_base_/detectors/yolov8_n-lite0_256px.py',
    '../../_base_/datasets/neu_det.py',
]
