_base_ = [
    '../../_base_/detectors/faster-rcnn_swin-b.py',
    '../../_base_/datasets/casting_billet_det.py',
]
