# few labels: 192 images
_base_ = [
    '../../_base_/detectors/yolov8_n_256px.py',
    '../../_base_/datasets/magnetic_tile_det.py',
]

batch_size = 8
max_epochs = 60

train_dataloader = dict(batch_size='${batch_size}')
optim_wrapper = dict(optimizer=dict(batch_size_per_gpu='${batch_size}'))
custom_hooks = _base_.custom_hooks
custom_hooks[1].switch_epoch = max_epochs - 10
default_hooks = dict(param_scheduler=dict(max_epochs=max_epochs))
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
