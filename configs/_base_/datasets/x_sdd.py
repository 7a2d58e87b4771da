# X-SDD, hot-rolled strip: 7 defects, 1,360 images of 128 px
_base_ = 'folder.py'

data_root = 'data/x_sdd'
view_size = 128

train_dataloader = dict(
    dataset=dict(split_dir='${split_dir}', ann_file='train_unlabelled.txt')
)
