# from pretrained weights, by few small steps and with batch norm as it is: 100
# updates, the first 30 for the head alone
_base_ = [
    '../../_base_/models/cutpaste_lite0.py',
    '../../_base_/loaders/cutpaste_128px.py',
    '../../_base_/schedules/cutpaste_sgd_10e.py',
    '../../_base_/default_runtime.py',
]

batch_size = 16
model = dict(backbone=dict(norm_eval=True))
train_dataloader = dict(sampler=dict(updates=10))
optim_wrapper = dict(
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1)))
)
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='mmcvgssl.UnfreezeHook', epochs=3),
]
find_unused_parameters = True  # while they are frozen
auto_scale_lr = dict(base_batch_size=16)
