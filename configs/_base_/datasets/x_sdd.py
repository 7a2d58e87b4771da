# X-SDD, hot-rolled strip: 7 defects, 1,360 images of 128 px
data_root = 'data/x_sdd'
ann_file = 'train_unlabelled.txt'
# for recipes that validate
val_ann_file = 'test.txt'
val_labelled = True
view_size = 128
