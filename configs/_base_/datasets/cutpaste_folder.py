_base_ = ['one_class_folder.py', 'cutpaste_train.py']

train_dataloader = dict(
    dataset=dict(
        data_root=_base_.data_root,
        split_dir=_base_.split_dir,
        ann_file='',
        leave_out='test.txt',
    )
)
