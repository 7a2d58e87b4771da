# two views drawn alike, for grey textures without an upright; strong light and
# contrast, or grey levels alone would tell the images apart; little blur and
# no small crops, or the defects would be lost
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
two_views = dict(
    weak_scale=(0.2, 1.0),
    crop_scales=((0.2, 1.0),),
    weak_transforms=view_transforms,
    crop_transforms=view_transforms,
)
val_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type='DefaultSampler', shuffle=False),
    collate_fn=dict(type='default_collate'),
)
