_base_ = ['x_sdd.py', 'simclr_views.py']

train_pipeline = _base_.train_pipeline
train_pipeline[1].update(_base_.two_views)
# images not trained on; the list is labelled, the labels are not used
val_dataloader = dict(
    dataset=dict(_base_.few_shot.test, pipeline='${train_pipeline}')
)
