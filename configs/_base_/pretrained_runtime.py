_base_ = 'default_runtime.py'

# a checkpoint whose backbone training starts with; '' for none
backbone_checkpoint = ''
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='mmcvgssl.LoadBackboneHook'),
]
