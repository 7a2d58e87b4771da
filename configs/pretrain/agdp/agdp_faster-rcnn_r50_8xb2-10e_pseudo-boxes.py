_base_ = [
    '../../_base_/detectors/faster-rcnn_r50.py',
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

default_hooks = dict(checkpoint=dict(interval=5, save_best=None))
param_scheduler = _base_.param_scheduler
param_scheduler[-1].end = 10
param_scheduler[-1].milestones = [7, 9]
train_cfg = dict(max_epochs=10)
