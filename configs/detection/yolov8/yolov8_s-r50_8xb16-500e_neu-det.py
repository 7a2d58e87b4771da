_base_ = [
    '../../_base_/detectors/yolov8_s-r50.py',
    '../../_base_/datasets/neu_det.py',
]
