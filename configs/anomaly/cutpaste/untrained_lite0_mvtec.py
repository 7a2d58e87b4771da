# category by category, with masks
_base_ = ['untrained_lite0_folder.py', '../../_base_/datasets/mvtec.py']
