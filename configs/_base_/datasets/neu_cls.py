# NEU, hot-rolled strip: 6 defects, 1,800 grey images of 200 px
_base_ = 'folder.py'

data_root = 'data/neu_cls'
view_size = 128

train_dataloader = dict(
    dataset=dict(split_dir='${split_dir}', ann_file='train_unlabelled.txt')
)
