# ELPV, solar cells: 2,624 grey electroluminescence images of 300 px
_base_ = 'folder.py'

data_root = 'data/elpv'
view_size = 128

train_dataloader = dict(
    dataset=dict(split_dir='${split_dir}', ann_file='train_unlabelled.txt')
)
