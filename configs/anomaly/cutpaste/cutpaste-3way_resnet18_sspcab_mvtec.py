_base_ = [
    '../../_base_/models/cutpaste_resnet18_sspcab.py',
    '../../_base_/datasets/cutpaste_mvtec.py',
    '../../_base_/schedules/cutpaste_sgd_256e.py',
    '../../_base_/default_runtime.py',
]
