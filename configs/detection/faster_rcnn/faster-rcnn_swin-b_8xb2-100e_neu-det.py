_base_ = [
    '../../_base_/detectors/faster-rcnn_swin-b.py',
    '../../_base_/datasets/neu_det.py',
]
