# Faster R-CNN with a transformer; a leaf adds a data set
_base_ = ['faster-rcnn_r50.py', '../models/backbone_swin-b.py']

model = dict(
    backbone=dict(
        _delete_=True, **{**_base_.swin_b, 'out_indices': (0, 1, 2, 3)}
    ),
    neck=dict(in_channels=[128, 256, 512, 1024]),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type='AdamW', lr=1e-4, weight_decay=0.05),
    paramwise_cfg=dict(
        norm_decay_mult=0.0,
        custom_keys={'relative_position_bias_table': dict(decay_mult=0.0)},
    ),
)
