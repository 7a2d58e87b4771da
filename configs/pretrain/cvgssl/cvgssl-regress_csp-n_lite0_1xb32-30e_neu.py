# for YOLOv8-n
_base_ = [
    '../../_base_/models/cvgssl-regress_csp-n.py',
    '../../_base_/datasets/neu_cls.py',
    '../../_base_/schedules/adamw_30e.py',
    '../../_base_/default_runtime.py',
]

data_preprocessor = _base_.normalisation
view_size = 160
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(weak_scale=(0.3, 1.0), crop_scales=())
train_dataloader = dict(batch_size=32)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
auto_scale_lr = dict(base_batch_size=32)
