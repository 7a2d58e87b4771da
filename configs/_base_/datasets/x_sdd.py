# X-SDD, hot-rolled strip: 7 defects, 1,360 images of 128 px
_base_ = 'folder.py'

data_root = 'data/x_sdd'
view_size = 128

train_pipeline = _base_.train_pipeline
train_pipeline[1].view_size = view_size
train_dataloader = dict(
    dataset=dict(
        data_root=data_root,
        split_dir=_base_.split_dir,
        ann_file='train_unlabelled.txt',
        pipeline=train_pipeline,
    )
)
few_shot = dict(
    view_size=view_size,
    train=dict(data_root=data_root),
    test=dict(data_root=data_root),
)
