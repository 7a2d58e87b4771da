# unlabelled images, one weak view and four crops of each
defaults = dict(
    data_root=None,  # folder of images in any nesting: to be given
    split_dir='mmcvgssl',  # folder of lists, in data_root
    ann_file='',  # list of images to learn from; '': all
    ignore=[],  # files and folders to leave out, perhaps with *
    view_size=224,
    views='workers',  # or 'device' makes them; 'auto': a GPU does
)

data_preprocessor = dict(
    type='mmcvgssl.InPlaceSelfSupDataPreprocessor',
    mean=[127.5, 127.5, 127.5],
    std=[127.5, 127.5, 127.5],
    to_rgb=True,
)

jitter = dict(type='mmcvgssl.FastColorJitter', brightness=0.2, contrast=0.2)
train_pipeline = [
    dict(type='mmcvgssl.LoadImage'),
    dict(
        type='mmcvgssl.MultiCrop',
        view_size='${view_size}',
        weak_transforms=[
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
            dict(type='RandomFlip', prob=0.25, direction='vertical'),
            jitter,
        ],
        crop_transforms=[
            jitter,
            dict(type='RandomGrayscale', prob=0.2, keep_channels=True),
            dict(
                type='mmpretrain.GaussianBlur',
                magnitude_range=(0.1, 2.0),
                magnitude_std='inf',
                prob=0.5,
            ),
            dict(type='RandomFlip', prob=0.5, direction='horizontal'),
        ],
    ),
    dict(
        type='mmcvgssl.FastPackInputs',
        meta_keys=('sample_idx', 'img_path', 'view_set'),
    ),
]
train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(type='DefaultSampler', shuffle=True),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmcvgssl.SurfaceImages',
        data_root='${data_root}',
        split_dir='${split_dir}',
        ann_file='${ann_file}',
        ignore='${ignore}',
        pipeline=train_pipeline,
    ),
)

# labelled images for mmcvgssl few-shot: lists, or ann_file='' and
# data_prefix='train' for class folders
few_shot = dict(
    view_size='${view_size}',
    train=dict(
        type='mmcvgssl.SurfaceImages',
        data_root='${data_root}',
        split_dir='${split_dir}',
        ann_file='train.txt',
        with_label=True,
        verify=True,
    ),
    test=dict(
        type='mmcvgssl.SurfaceImages',
        data_root='${data_root}',
        split_dir='${split_dir}',
        ann_file='test.txt',
        with_label=True,
        verify=True,
    ),
)
