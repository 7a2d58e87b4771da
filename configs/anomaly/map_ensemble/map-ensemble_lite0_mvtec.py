_base_ = [
    '../../_base_/models/map-ensemble_lite0.py',
    '../../_base_/datasets/mvtec.py',
    '../../_base_/anomaly_runtime.py',
]

input_size = 512
