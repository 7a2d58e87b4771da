# the backbone of YOLOv8-s; its neck pools the last level alone
_base_ = 'simclr_resnet18.py'

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmyolo.YOLOv8CSPDarknet',
        deepen_factor=0.33,
        widen_factor=0.5,
        out_indices=(4,),
    )
)
