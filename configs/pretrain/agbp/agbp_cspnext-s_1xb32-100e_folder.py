# without labels and from random weights, on one GPU
_base_ = [
    '../../_base_/models/agbp_cspnext-s.py',
    '../../_base_/loaders/anomaly_maps.py',
    '../../_base_/schedules/adamw_100e.py',
    '../../_base_/pretrained_runtime.py',
]

train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=32)
