# YOLOv8-n on small images, for CPUs; a leaf adds a data set
_base_ = 'yolov8_s.py'

widen_factor = 0.25
img_scale = (256, 256)
max_epochs = 300
# probability of a flip: horizontal, vertical, both at once
flip_prob = [0.5, 0.0, 0.0]

model = dict(
    backbone=dict(widen_factor=widen_factor),
    neck=dict(widen_factor=widen_factor),
    bbox_head=dict(head_module=dict(widen_factor=widen_factor)),
)

train_pipeline = _base_.train_pipeline
train_pipeline[2].img_scale = img_scale
train_pipeline[3].border = (-img_scale[0] // 2, -img_scale[1] // 2)
train_pipeline_stage2 = _base_.train_pipeline_stage2
test_pipeline = _base_.test_pipeline
for resize in (*train_pipeline_stage2[2:4], *test_pipeline[1:3]):
    resize.scale = img_scale
del resize
for flip in (train_pipeline[5], train_pipeline_stage2[6]):
    flip.prob = '${flip_prob}'
    flip.direction = ['horizontal', 'vertical', 'diagonal']
del flip

train_dataloader = dict(
    batch_size=16, num_workers=2, dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(batch_size=16, dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='mmcvgssl.ChannelsLastHook'),
]
custom_hooks[1].switch_epoch = max_epochs - 10
custom_hooks[1].switch_pipeline = train_pipeline_stage2
default_hooks = dict(
    logger=dict(interval=10),
    # the host's 1,000 outlast a short training
    param_scheduler=dict(max_epochs=max_epochs, warmup_mim_iter=100),
    checkpoint=dict(interval=50),
)
train_cfg = dict(
    max_epochs=max_epochs, val_interval=50, dynamic_intervals=None
)
