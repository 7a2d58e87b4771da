# minutes on a CPU, for what begins with weights of ImageNet
_base_ = 'adamw_400e.py'

optim_wrapper = dict(
    optimizer=dict(lr=2e-4),
    # what begins with random weights
    paramwise_cfg=dict(custom_keys={'regression_head': dict(lr_mult=10)}),
)
param_scheduler = _base_.param_scheduler
param_scheduler[0].end = 1
param_scheduler[1].update(T_max=2, begin=1, end=3)
train_cfg = dict(max_epochs=3)
