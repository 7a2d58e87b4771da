_base_ = [
    '../../_base_/detectors/rtmdet_tiny_256px.py',
    '../../_base_/datasets/neu_det.py',
]
