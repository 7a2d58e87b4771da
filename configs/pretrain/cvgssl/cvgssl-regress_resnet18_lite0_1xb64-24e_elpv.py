# minutes on two CPU cores: it learns at 96 px what is used at 128
_base_ = [
    'cvgssl-regress_resnet18_lite0_1xb64-400e_folder.py',
    '../../_base_/datasets/elpv.py',
]

view_size = 96
few_shot = dict(view_size=128)
teachers = _base_.teachers
teachers[0].input_size = 160
model = dict(teachers=teachers)
param_scheduler = _base_.param_scheduler
param_scheduler[0].end = 2
param_scheduler[1].update(T_max=22, begin=2, end=24)
train_cfg = dict(max_epochs=24)
default_hooks = dict(checkpoint=dict(interval=2))
