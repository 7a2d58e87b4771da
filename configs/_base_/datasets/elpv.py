# ELPV, solar cells: 2,624 grey electroluminescence images of 300 px
data_root = 'data/elpv'
ann_file = 'train_unlabelled.txt'
# for recipes that validate
val_ann_file = 'test.txt'
val_labelled = True
view_size = 128
