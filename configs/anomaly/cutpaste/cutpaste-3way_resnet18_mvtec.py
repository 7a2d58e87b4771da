# category by category, with masks
_base_ = [
    'cutpaste-3way_resnet18_folder.py',
    '../../_base_/datasets/mvtec.py',
]
