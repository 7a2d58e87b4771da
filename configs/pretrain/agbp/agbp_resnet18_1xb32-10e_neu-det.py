# 20 minutes on one core
_base_ = 'agbp_resnet18_1xb32-30e_neu-det.py'

param_scheduler = _base_.param_scheduler
param_scheduler[0].end = 1
param_scheduler[1].update(T_max=9, begin=1, end=10)
train_cfg = dict(max_epochs=10)
