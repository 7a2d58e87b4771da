_base_ = [
    '../../_base_/models/cvgssl-regress_resnet18.py',
    '../../_base_/models/teacher_lite0-levels.py',
    '../../_base_/loaders/one_view.py',
    '../../_base_/schedules/adamw_400e.py',
    '../../_base_/default_runtime.py',
]

model = dict(teachers=_base_.teachers)
