_base_ = [
    '../../_base_/models/cvgssl_resnet18.py',
    '../../_base_/models/teacher_lite0.py',
    '../../_base_/loaders/multi_crop.py',
    '../../_base_/schedules/cvgssl_300e.py',
    '../../_base_/default_runtime.py',
]

model = dict(teachers=_base_.teachers)
