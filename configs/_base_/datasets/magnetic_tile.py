# magnetic tiles: 952 good and 392 defective grey images with masks beside
# them, of varying size
data_root = 'data/magnetic_tile'
layout = 'mask-beside'
ann_file = 'train.txt'
