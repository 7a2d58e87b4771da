# category by category, with masks
_base_ = [
    'patchcore_lite2-512px_folder.py',
    '../../_base_/datasets/mvtec.py',
]
