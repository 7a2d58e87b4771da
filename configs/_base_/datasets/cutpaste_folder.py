_base_ = ['one_class_folder.py', 'cutpaste_train.py']

train_dataloader = dict(
    dataset=dict(split_dir='${split_dir}', ann_file='', leave_out='test.txt')
)
