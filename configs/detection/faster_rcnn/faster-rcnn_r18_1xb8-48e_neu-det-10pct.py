# few labels: 126 images, of each defect 21
_base_ = 'faster-rcnn_r18_1xb8-100e_neu-det.py'

ann_file = 'mmcvgssl/train_10pct.json'
max_epochs = 48

param_scheduler = _base_.param_scheduler
param_scheduler[-1].end = max_epochs
param_scheduler[-1].milestones = [36, 44]
train_cfg = dict(max_epochs=max_epochs, val_interval=max_epochs)
