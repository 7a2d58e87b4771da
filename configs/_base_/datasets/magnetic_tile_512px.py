_base_ = 'magnetic_tile.py'

input_size = 512
fit_pipeline = _base_.fit_pipeline
fit_pipeline[0].input_size = fit_pipeline[1].input_size = input_size
test_pipeline = _base_.test_pipeline
test_pipeline[0].input_size = test_pipeline[2].input_size = input_size
fit_dataloader = dict(dataset=dict(pipeline=fit_pipeline))
test_dataloader = dict(dataset=dict(pipeline=test_pipeline))
