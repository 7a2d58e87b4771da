# category by category, with masks
_base_ = ['padim_lite0_folder.py', '../../_base_/datasets/mvtec.py']
