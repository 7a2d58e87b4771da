_base_ = [
    '../../_base_/detectors/dino-4scale_swin-b.py',
    '../../_base_/datasets/casting_billet_det.py',
]
