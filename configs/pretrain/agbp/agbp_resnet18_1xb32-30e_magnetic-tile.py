# 600 good and 192 defective tiles
_base_ = 'agbp_resnet18_1xb32-30e_neu-det.py'

data_root = 'data/magnetic_tile'
ann_file = 'detection_unlabelled.txt'
