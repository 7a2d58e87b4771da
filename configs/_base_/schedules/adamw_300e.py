# an hour on two cores for 680 images; the same warm-up
_base_ = 'adamw_400e.py'

param_scheduler = _base_.param_scheduler
param_scheduler[1].update(T_max=280, end=300)
train_cfg = dict(max_epochs=300)
