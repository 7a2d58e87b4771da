# few labels: 192 images
_base_ = [
    '../../_base_/detectors/rtmdet_tiny_256px.py',
    '../../_base_/datasets/magnetic_tile_det.py',
]

max_epochs = 60

train_dataloader = dict(batch_size=8)
auto_scale_lr = dict(base_batch_size=8)
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(begin=30, end=max_epochs, T_max=30)
custom_hooks = _base_.custom_hooks
custom_hooks[1].switch_epoch = max_epochs - 10
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
