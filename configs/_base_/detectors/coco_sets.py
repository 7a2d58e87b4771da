# what a detector reads of the data set, a base beside it (gc10_det.py, ...);
# data_root and num_classes stand in the detector's file, as its host has them,
# too
ann_file = '${data_set.ann_file}'
test_ann_file = '${data_set.test_ann_file}'
img = '${data_set.img}'
train_set = dict(
    data_root='${data_root}',
    ann_file='${ann_file}',
    data_prefix=dict(img='${img}'),
    metainfo=dict(classes='${classes}'),
)
test_set = {**train_set, 'ann_file': '${test_ann_file}'}
