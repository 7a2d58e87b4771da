# half of it, with the same warm-up
_base_ = 'adamw_400e.py'

param_scheduler = _base_.param_scheduler
param_scheduler[1].update(T_max=180, end=200)
train_cfg = dict(max_epochs=200)
