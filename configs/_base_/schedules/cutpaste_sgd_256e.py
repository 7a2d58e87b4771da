# the paper's: an epoch is 256 updates
optim_wrapper = dict(
    type='OptimWrapper',
    optimizer=dict(type='SGD', lr=0.03, momentum=0.9, weight_decay=3e-5),
)
param_scheduler = [
    dict(
        type='CosineAnnealingLR',
        T_max=256,
        begin=0,
        end=256,
        by_epoch=True,
        convert_to_iter_based=True,
    )
]
train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=256)
auto_scale_lr = dict(base_batch_size=32, enable=False)
