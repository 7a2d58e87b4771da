# small images and crops, for CPUs
_base_ = 'anomaly_maps.py'

defaults = dict(crop_size=160)

train_pipeline = _base_.train_pipeline
train_pipeline[2].transforms[0].scale = (256, 256)
train_pipeline[2].transforms[0].ratio_range = (0.75, 1.5)
train_dataloader = dict(
    batch_size=32, num_workers=2, dataset=dict(pipeline=train_pipeline)
)
