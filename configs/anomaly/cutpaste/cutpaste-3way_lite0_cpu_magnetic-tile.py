# from pretrained weights, with small steps: 10 epochs of 64 updates at 128 px,
# the first 2 for the head alone
_base_ = [
    '../../_base_/models/cutpaste_lite0.py',
    '../../_base_/datasets/cutpaste_magnetic_tile_128px.py',
    '../../_base_/schedules/cutpaste_sgd_10e.py',
    '../../_base_/default_runtime.py',
]

optim_wrapper = dict(optimizer=dict(lr=0.003))
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='mmcvgssl.UnfreezeHook', epochs=2),
]
find_unused_parameters = True  # while they are frozen
