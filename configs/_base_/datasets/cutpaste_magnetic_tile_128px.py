# for two CPU cores: small images, epochs of 64 updates
_base_ = 'cutpaste_magnetic_tile.py'

input_size = 128
train_pipeline = _base_.train_pipeline
for step in train_pipeline[0].transforms:
    step.input_size = input_size
del step
fit_pipeline = _base_.fit_pipeline
fit_pipeline[0].input_size = fit_pipeline[1].input_size = input_size
test_pipeline = _base_.test_pipeline
test_pipeline[0].input_size = test_pipeline[2].input_size = input_size
train_dataloader = dict(
    sampler=dict(updates=64), dataset=dict(pipeline=train_pipeline)
)
fit_dataloader = dict(dataset=dict(pipeline=fit_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
