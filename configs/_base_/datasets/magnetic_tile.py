# magnetic tiles: 952 good and 392 defective grey images with masks beside
# them, of varying size
_base_ = 'one_class_folder.py'

data_root = 'data/magnetic_tile'
layout = 'mask-beside'

fit_dataloader = dict(dataset=dict(ann_file='train.txt'))
