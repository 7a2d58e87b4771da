# NEU, hot-rolled strip: 6 defects, 1,800 grey images of 200 px
data_root = 'data/neu_cls'
ann_file = 'train_unlabelled.txt'
# for recipes that validate
val_ann_file = 'test.txt'
val_labelled = True
view_size = 128
