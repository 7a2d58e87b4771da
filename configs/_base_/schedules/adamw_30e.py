# minutes on a CPU
_base_ = 'adamw_400e.py'

param_scheduler = _base_.param_scheduler
param_scheduler[0].end = 2
param_scheduler[1].update(T_max=28, begin=2, end=30)
train_cfg = dict(max_epochs=30)
