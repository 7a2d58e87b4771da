_base_ = [
    '../../_base_/models/simclr_resnet50.py',
    '../../_base_/datasets/simclr_mvtec.py',
    '../../_base_/schedules/simclr_adamw_400e.py',
    '../../_base_/default_runtime.py',
]
