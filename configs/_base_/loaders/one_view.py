# one weak view of each image and no crops
_base_ = 'multi_crop.py'

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(weak_scale=(0.3, 1.0), crop_scales=())
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
