_base_ = [
    '../../_base_/detectors/yolov8_s.py',
    '../../_base_/datasets/gc10_det.py',
]
