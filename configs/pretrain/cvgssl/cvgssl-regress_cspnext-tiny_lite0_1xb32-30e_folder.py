# for RTMDet-tiny
_base_ = [
    '../../_base_/models/cvgssl-regress_cspnext-tiny.py',
    '../../_base_/loaders/one_view.py',
    '../../_base_/schedules/adamw_30e.py',
    '../../_base_/default_runtime.py',
]

data_preprocessor = _base_.normalisation
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=32)
