# views of good images, too; an epoch is a number of updates, whatever the
# set's size, and `repeat` only has to be large enough
_base_ = 'one_class.py'

defaults = dict(
    batch_size=32,
    views='workers',  # or 'device' makes them; 'auto': a GPU does
)
train_pipeline = [
    dict(
        type='mmcvgssl.Cached',
        transforms=[
            dict(type='mmcvgssl.LoadImage', input_size='${input_size}'),
            dict(type='mmcvgssl.SquareResize', input_size='${input_size}'),
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
    batch_size='${batch_size}',
    num_workers=2,
    persistent_workers=True,
    drop_last=True,
    sampler=dict(
        type='mmcvgssl.UpdateSampler', updates=256, batch_size='${batch_size}'
    ),
    collate_fn=dict(type='default_collate'),
    dataset=dict(
        **_base_.images,
        ann_file='${ann_file}',
        leave_out='${leave_out}',
        split='train',
        repeat=10_000,
        pipeline=train_pipeline,
    ),
)
