_base_ = [
    '../../_base_/models/cvgssl-regress_resnet18.py',
    '../../_base_/models/teacher_lite0-levels.py',
    '../../_base_/datasets/elpv.py',
    '../../_base_/schedules/adamw_400e.py',
    '../../_base_/default_runtime.py',
]

model = dict(teachers=_base_.teachers)
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(weak_scale=(0.3, 1.0), crop_scales=())
