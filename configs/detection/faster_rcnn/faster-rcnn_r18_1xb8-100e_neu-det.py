_base_ = [
    '../../_base_/detectors/faster-rcnn_r18_256px.py',
    '../../_base_/datasets/neu_det.py',
]
