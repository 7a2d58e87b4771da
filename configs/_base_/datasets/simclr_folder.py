_base_ = ['folder.py', 'simclr_views.py']

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(_base_.two_views)
# other views of the same images, as a folder need not have others
val_dataloader = dict(
    dataset=dict(
        type='mmcvgssl.SurfaceImages',
        data_root='${data_root}',
        ignore='${ignore}',
        pipeline='${train_pipeline}',
    )
)
