# starts from the weights of a Python package: needs no hub
_base_ = ['cutpaste_resnet18.py', 'lite0.py']

data_preprocessor = _base_.normalisation
model = dict(backbone=dict(_delete_=True, **_base_.lite0), in_channels=1280)
