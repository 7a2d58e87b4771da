# smaller crops, and patches to hide
_base_ = 'anomaly_maps.py'

defaults = dict(crop_size=192)

train_pipeline = _base_.train_pipeline
train_pipeline[2].transforms[0].scale = (400, 400)
train_pipeline.insert(
    4,
    dict(
        type='mmpretrain.SimMIMMaskGenerator',
        input_size='${crop_size}',
        mask_patch_size=32,
        model_patch_size=4,
        mask_ratio=0.6,
    ),
)
train_dataloader = dict(batch_size=56, dataset=dict(pipeline=train_pipeline))
