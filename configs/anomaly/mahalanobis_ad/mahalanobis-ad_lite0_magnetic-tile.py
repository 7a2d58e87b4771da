# by lists, with masks beside the images
_base_ = [
    'mahalanobis-ad_lite0_folder.py',
    '../../_base_/datasets/magnetic_tile.py',
]
