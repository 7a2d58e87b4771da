# two teachers in one: image towers teach pooled features, maps the positions
_base_ = [
    '../../_base_/models/cvgssl-regress_csp-n.py',
    '../../_base_/loaders/anomaly_maps_small.py',
    '../../_base_/schedules/adamw_30e.py',
    '../../_base_/pretrained_runtime.py',
]

data_preprocessor = _base_.normalisation
model = dict(distill_head=_base_.distill_head)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=32)
