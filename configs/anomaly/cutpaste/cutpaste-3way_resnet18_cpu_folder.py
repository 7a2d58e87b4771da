# 10 epochs of 64 updates at 128 px, for two CPU cores
_base_ = [
    '../../_base_/models/cutpaste_resnet18.py',
    '../../_base_/loaders/cutpaste_128px.py',
    '../../_base_/schedules/cutpaste_sgd_10e.py',
    '../../_base_/default_runtime.py',
]
