# from ImageNet; all but the new block is frozen for the first 20 epochs
_base_ = 'cutpaste-3way_resnet18_sspcab_folder.py'

model = dict(
    backbone=dict(
        backbone=dict(
            init_cfg=dict(
                type='Pretrained', checkpoint='torchvision://resnet18'
            )
        )
    )
)
custom_hooks = [
    *_base_.custom_hooks,
    dict(
        type='mmcvgssl.UnfreezeHook',
        epochs=20,
        keep='backbone.layer4.1.conv2',
    ),
]
find_unused_parameters = True  # while they are frozen
