# the whole image, for a teacher, and a crop of it in any direction, for a
# student
_base_ = 'multi_crop.py'

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(
    weak_scale=None,
    weak_transforms=[],
    crop_scales=((0.3, 1.0),),
    crop_transforms=[
        dict(
            type='RandomFlip',
            prob=[0.25, 0.25, 0.25],
            direction=['horizontal', 'vertical', 'diagonal'],
        )
    ],
)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
