_base_ = [
    '../../_base_/detectors/faster-rcnn_r50.py',
    '../../_base_/datasets/coco_format.py',
]
