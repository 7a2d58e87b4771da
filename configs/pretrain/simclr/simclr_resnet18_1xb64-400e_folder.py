_base_ = [
    '../../_base_/models/simclr_resnet18.py',
    '../../_base_/loaders/two_views.py',
    '../../_base_/schedules/simclr_adamw_400e.py',
    '../../_base_/default_runtime.py',
]
