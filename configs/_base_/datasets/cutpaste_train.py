# views of good images; an epoch is a number of updates, whatever the set's
# size, and `repeat` only has to be large enough; what is 'auto' is set at the
# top level
batch_size = 32
train_pipeline = [
    dict(
        type='mmcvgssl.Cached',
        transforms=[
            dict(type='mmcvgssl.LoadImage', input_size=256),
            dict(type='mmcvgssl.SquareResize', input_size=256),
        ],
    ),
    dict(type='mmcvgssl.CutPaste3Way'),
    dict(
        type='mmcvgssl.FastPackInputs',
        algorithm_keys=('view_labels',),
        meta_keys=('sample_idx', 'img_path', 'view_set'),
    ),
]
train_dataloader = dict(
    batch_size=batch_size,
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(
        type='mmcvgssl.UpdateSampler', updates=256, batch_size=batch_size
    ),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        type='mmcvgssl.OneClassDataset',
        split='train',
        good_names=['auto'],
        layout='auto',
        mask_suffix='auto',
        ignore=[],
        repeat=10_000,
        pipeline=train_pipeline,
    ),
)
