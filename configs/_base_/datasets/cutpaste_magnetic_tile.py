_base_ = ['magnetic_tile.py', 'cutpaste_train.py']

train_dataloader = dict(
    dataset=dict(
        data_root=_base_.data_root,
        split_dir=_base_.split_dir,
        ann_file='train.txt',
        layout=_base_.layout,
    )
)
