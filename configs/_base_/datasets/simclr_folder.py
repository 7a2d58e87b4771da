_base_ = ['folder.py', 'simclr_views.py']

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(_base_.two_views)
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
# other views of the same images, as a folder need not have others
val_dataloader = dict(
    dataset=dict(
        type='mmcvgssl.SurfaceImages',
        data_root=_base_.data_root,
        ignore=_base_.ignore,
        pipeline=train_pipeline,
    )
)
