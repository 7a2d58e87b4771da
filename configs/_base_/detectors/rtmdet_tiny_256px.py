# RTMDet-tiny on small images, for CPUs; a leaf adds a data set
_base_ = 'rtmdet_s.py'

img_scale = (256, 256)
max_epochs = 300
widths = [96, 192, 384]

model = dict(
    data_preprocessor=dict(pad_size_divisor=img_scale[0]),
    backbone=dict(deepen_factor=0.167, widen_factor=0.375),
    neck=dict(in_channels=widths, out_channels=96),
    bbox_head=dict(in_channels=96, feat_channels=96),
)
del widths

train_pipeline = _base_.train_pipeline
train_pipeline_stage2 = _base_.train_pipeline_stage2
test_pipeline = _base_.test_pipeline
# few images are kept for mosaics and mixtures, the oldest are replaced
train_pipeline[2].scale = img_scale
train_pipeline[3].update(
    img_scale=img_scale, max_cached_images=20, random_pop=False
)
train_pipeline[4].scale = (2 * img_scale[0], 2 * img_scale[1])
train_pipeline[9].update(
    img_scale=img_scale, max_cached_images=10, random_pop=False, prob=0.5
)
train_pipeline_stage2[2].scale = test_pipeline[1].scale = img_scale
train_pipeline[5].crop_size = train_pipeline_stage2[3].crop_size = img_scale
train_pipeline[8].size = train_pipeline_stage2[6].size = img_scale

train_dataloader = dict(
    batch_size=16, num_workers=2, dataset=dict(pipeline=train_pipeline)
)
val_dataloader = dict(
    batch_size=16, num_workers=2, dataset=dict(pipeline=test_pipeline)
)
test_dataloader = val_dataloader

custom_hooks = [
    *_base_.custom_hooks,
    dict(type='mmcvgssl.ChannelsLastHook'),
]
custom_hooks[1].update(
    switch_epoch=max_epochs - 10, switch_pipeline=train_pipeline_stage2
)
base_lr = 0.001
optim_wrapper = dict(optimizer=dict(lr=base_lr))
param_scheduler = _base_.param_scheduler
# the host's 1,000 updates outlast a short training
param_scheduler[0].end = 100
param_scheduler[1].eta_min = 0.05 * base_lr
auto_scale_lr = dict(base_batch_size=16)
default_hooks = dict(
    logger=dict(interval=10), checkpoint=dict(interval=50, max_keep_ckpts=2)
)
train_cfg = dict(
    max_epochs=max_epochs, val_interval=50, dynamic_intervals=None
)
