_base_ = 'adamw_100e.py'

train_cfg = dict(val_interval=10)
val_cfg = dict(type='mmcvgssl.ViewsValLoop')
val_evaluator = dict(type='mmcvgssl.ContrastiveAccuracy')
