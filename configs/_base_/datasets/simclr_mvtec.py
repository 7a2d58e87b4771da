# MVTec AD, by the lists of `tools/prepare_data.py one-class-to-simclr`
_base_ = ['folder.py', 'simclr_views.py']

data_root = 'data/mvtec'

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(_base_.two_views)
train_dataloader = dict(
    dataset=dict(split_dir='${split_dir}', ann_file='train_unlabelled.txt')
)
# images not trained on; the list is labelled, the labels are not used
val_dataloader = dict(
    dataset=dict(_base_.few_shot.test, pipeline='${train_pipeline}')
)
