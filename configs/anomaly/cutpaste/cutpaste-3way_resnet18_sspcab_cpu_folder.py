_base_ = [
    'cutpaste-3way_resnet18_cpu_folder.py',
    '../../_base_/models/sspcab_resnet18.py',
]

model = dict(backbone=_base_.sspcab)
