# minutes on a CPU, with epochs of 64 updates; bfloat16 where it helps
_base_ = 'cutpaste_sgd_256e.py'

optim_wrapper = dict(type='mmcvgssl.AutocastOptimWrapper')
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=10,
        begin=0,
        end=10,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(max_epochs=10)
