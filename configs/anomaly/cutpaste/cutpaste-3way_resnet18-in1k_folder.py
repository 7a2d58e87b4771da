# from ImageNet, frozen for the first 20 epochs; without a network set
# model.backbone.init_cfg.checkpoint to a file
_base_ = 'cutpaste-3way_resnet18_folder.py'

model = dict(
    backbone=dict(
        init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet18')
    )
)
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='mmcvgssl.UnfreezeHook', epochs=20),
]
find_unused_parameters = True  # while they are frozen
