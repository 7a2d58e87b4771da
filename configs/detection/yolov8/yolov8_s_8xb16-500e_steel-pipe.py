_base_ = [
    '../../_base_/detectors/yolov8_s.py',
    '../../_base_/datasets/steel_pipe_det.py',
]
