_base_ = [
    '../../_base_/detectors/faster-rcnn_swin-b.py',
    '../../_base_/datasets/gc10_det.py',
]
