# half an hour on a CPU for a thousand images
_base_ = 'adamw_400e.py'

param_scheduler = _base_.param_scheduler
param_scheduler[0].end = 5
param_scheduler[1].update(T_max=95, begin=5, end=100)
train_cfg = dict(max_epochs=100)
