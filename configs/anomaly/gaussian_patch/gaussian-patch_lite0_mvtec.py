# category by category, with masks
_base_ = ['gaussian-patch_lite0_folder.py', '../../_base_/datasets/mvtec.py']
