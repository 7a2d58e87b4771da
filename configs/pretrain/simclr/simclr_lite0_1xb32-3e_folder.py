# minutes on a CPU core, beside cvgssl-regress_lite0_lite0_1xb32-3e
_base_ = [
    '../../_base_/models/simclr_lite0.py',
    '../../_base_/loaders/two_views.py',
    '../../_base_/schedules/adamw_3e.py',
    '../../_base_/default_runtime.py',
]

train_cfg = dict(val_interval=3)
val_cfg = dict(type='mmcvgssl.ViewsValLoop')
val_evaluator = dict(type='mmcvgssl.ContrastiveAccuracy')
train_dataloader = dict(batch_size=32)
auto_scale_lr = dict(base_batch_size=32)
# the projection begins with random weights
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(_delete_=True, neck=dict(lr_mult=10)))
)
default_hooks = dict(checkpoint=dict(interval=3))
