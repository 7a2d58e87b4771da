_base_ = [
    '../../_base_/detectors/yolov8_s-swin-b.py',
    '../../_base_/datasets/casting_billet_det.py',
]
