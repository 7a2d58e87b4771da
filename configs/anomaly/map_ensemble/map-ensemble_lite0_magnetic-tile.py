_base_ = [
    '../../_base_/models/map-ensemble_lite0.py',
    '../../_base_/datasets/magnetic_tile_512px.py',
    '../../_base_/anomaly_runtime.py',
]
