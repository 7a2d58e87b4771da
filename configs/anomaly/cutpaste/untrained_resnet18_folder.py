# random weights
_base_ = 'untrained_lite0_folder.py'

model = dict(
    backbone=dict(_delete_=True, type='mmpretrain.ResNet', depth=18),
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
)
