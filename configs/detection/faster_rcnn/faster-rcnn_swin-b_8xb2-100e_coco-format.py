_base_ = [
    '../../_base_/detectors/faster-rcnn_swin-b.py',
    '../../_base_/datasets/coco_format.py',
]
