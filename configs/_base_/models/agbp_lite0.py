# starts from ImageNet's weights; strides 16 and 32 learn the maps
_base_ = ['agbp_resnet50.py', 'backbone_lite0.py']

lite0 = _base_.lite0
lite0.update(out_indices=(3, 4), frozen_stages=1)
model = dict(
    data_preprocessor=_base_.normalisation,
    backbone=dict(_delete_=True, **lite0),
)
