_base_ = [
    '../../_base_/detectors/rtmdet_s.py',
    '../../_base_/datasets/coco_format.py',
]
