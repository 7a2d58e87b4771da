# for a batch of 448
_base_ = 'agbp_adamw_200e.py'

optim_wrapper = dict(optimizer=dict(lr=1e-4 * 448 / 512))
param_scheduler = [
    dict(
        type='LinearLR',
        start_factor=5e-3,
        begin=0,
        end=10,
        by_epoch=True,
        convert_to_iter_based=True,
    ),
    dict(type='MultiStepLR', milestones=[80], gamma=0.1, by_epoch=True),
]
train_cfg = dict(max_epochs=100)
auto_scale_lr = dict(base_batch_size=448)
