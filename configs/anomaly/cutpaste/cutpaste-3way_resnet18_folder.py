_base_ = [
    '../../_base_/models/cutpaste_resnet18.py',
    '../../_base_/loaders/cutpaste.py',
    '../../_base_/schedules/cutpaste_sgd_256e.py',
    '../../_base_/default_runtime.py',
]
