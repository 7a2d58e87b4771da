# NEU-DET, hot-rolled strip: the 1,260 training images without their boxes
data_root = 'data/neu_det'
ann_file = 'train_unlabelled.txt'
