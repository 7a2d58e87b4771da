# category by category, with masks
_base_ = ['patchcore_lite0_folder.py', '../../_base_/datasets/mvtec.py']
