_base_ = [
    '../../_base_/models/agbp_swin-b_simmim.py',
    '../../_base_/loaders/anomaly_maps_simmim.py',
    '../../_base_/schedules/agbp_simmim_100e.py',
    '../../_base_/pretrained_runtime.py',
]
