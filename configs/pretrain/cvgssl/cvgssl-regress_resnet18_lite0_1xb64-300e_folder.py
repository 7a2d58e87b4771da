# an hour on two cores for 680 images; the teacher sees more pixels
_base_ = [
    '../../_base_/models/cvgssl-regress_resnet18.py',
    '../../_base_/models/teacher_lite0-levels.py',
    '../../_base_/loaders/one_view.py',
    '../../_base_/schedules/adamw_300e.py',
    '../../_base_/default_runtime.py',
]

teachers = _base_.teachers
teachers[0].input_size = 224
model = dict(teachers=teachers)
