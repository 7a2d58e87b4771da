# magnetic tiles: 600 good and 192 defective ones, without their masks
data_root = 'data/magnetic_tile'
ann_file = 'detection_unlabelled.txt'
