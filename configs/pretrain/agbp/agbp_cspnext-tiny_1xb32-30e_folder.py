_base_ = [
    '../../_base_/models/agbp_cspnext-tiny.py',
    '../../_base_/loaders/anomaly_maps_small.py',
    '../../_base_/schedules/adamw_30e.py',
    '../../_base_/pretrained_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=32)
