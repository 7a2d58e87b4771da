_base_ = [
    '../../_base_/detectors/rtmdet_s.py',
    '../../_base_/datasets/pseudo_boxes.py',
]

# needs backbone_checkpoint, of AGBP: what is frozen learns nothing here
model = dict(backbone=dict(frozen_stages=4, norm_eval=True))
val_dataloader = None
val_evaluator = None
val_cfg = None
test_dataloader = None
test_evaluator = None
test_cfg = None

param_scheduler = _base_.param_scheduler
param_scheduler[0].end = 100
param_scheduler[1].update(begin=5, end=10, T_max=5)
custom_hooks = _base_.custom_hooks
custom_hooks[1].switch_epoch = 8
default_hooks = dict(checkpoint=dict(interval=5))
train_cfg = dict(max_epochs=10, dynamic_intervals=None)
# what is frozen gets no gradients
find_unused_parameters = True
