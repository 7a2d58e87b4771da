_base_ = ['magnetic_tile.py', 'cutpaste_train.py']

train_dataloader = dict(
    dataset=dict(split_dir='${split_dir}', ann_file='train.txt')
)
