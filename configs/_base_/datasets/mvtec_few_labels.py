# MVTec AD, by the lists of `mmcvgssl prepare one-class-to-simclr`
data_root = 'data/mvtec'
ann_file = 'train_unlabelled.txt'
# for recipes that validate
val_ann_file = 'test.txt'
val_labelled = True
