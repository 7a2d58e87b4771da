# a teacher of several sizes, which is worth most as it is: few-shot
# --checkpoint teacher --standardize
_base_ = [
    '../../_base_/models/cvgssl-regress_resnet18.py',
    '../../_base_/models/teacher_lite0-pyramid.py',
    '../../_base_/loaders/one_view.py',
    '../../_base_/schedules/adamw_100e.py',
    '../../_base_/default_runtime.py',
]

model = dict(teachers=_base_.teachers)
