# few labels: 126 images, of each defect 21
_base_ = 'rtmdet_tiny_1xb16-300e_neu-det.py'

ann_file = 'mmcvgssl/train_10pct.json'
max_epochs = 100

train_dataloader = dict(batch_size=8)
auto_scale_lr = dict(base_batch_size=8)
param_scheduler = _base_.param_scheduler
param_scheduler[1].update(begin=50, end=max_epochs, T_max=50)
custom_hooks = _base_.custom_hooks
custom_hooks[1].switch_epoch = max_epochs - 10
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
