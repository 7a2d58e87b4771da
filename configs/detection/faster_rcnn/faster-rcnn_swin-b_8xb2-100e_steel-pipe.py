_base_ = [
    '../../_base_/detectors/faster-rcnn_swin-b.py',
    '../../_base_/datasets/steel_pipe_det.py',
]
