_base_ = [
    '../../_base_/models/simclr_resnet18.py',
    '../../_base_/datasets/simclr_x_sdd.py',
    '../../_base_/schedules/simclr_adamw_100e.py',
    '../../_base_/default_runtime.py',
]
