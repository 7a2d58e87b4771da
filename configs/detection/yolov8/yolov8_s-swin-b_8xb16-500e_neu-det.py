_base_ = [
    '../../_base_/detectors/yolov8_s-swin-b.py',
    '../../_base_/datasets/neu_det.py',
]
