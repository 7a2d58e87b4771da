# two views drawn alike, for grey textures without an upright; strong light and
# contrast, or grey levels alone would tell the images apart; little blur and
# no small crops, or the defects would be lost
_base_ = 'multi_crop.py'

# images for validation: other views of the same images, unless a data set
# lists others; labels of such a list are not used
defaults = dict(val_ann_file='', val_labelled=False)

view_transforms = [
    dict(
        type='RandomFlip',
        prob=[0.25, 0.25, 0.25],
        direction=['horizontal', 'vertical', 'diagonal'],
    ),
    dict(
        type='RandomApply',
        transforms=[
            dict(type='mmcvgssl.FastColorJitter', brightness=0.4, contrast=0.4)
        ],
        prob=0.8,
    ),
    dict(type='RandomGrayscale', prob=0.2, keep_channels=True),
    dict(
        type='mmpretrain.GaussianBlur',
        magnitude_range=(0.1, 1.0),
        magnitude_std='inf',
        prob=0.5,
    ),
]
train_pipeline = _base_.train_pipeline
train_pipeline[1].update(
    weak_scale=(0.2, 1.0),
    crop_scales=((0.2, 1.0),),
    weak_transforms=view_transforms,
    crop_transforms=view_transforms,
)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmcvgssl.SurfaceImages',
        data_root='${data_root}',
        split_dir='${split_dir}',
        ann_file='${val_ann_file}',
        with_label='${val_labelled}',
        verify='${val_labelled}',
        ignore='${ignore}',
        pipeline=train_pipeline,
    ),
)
