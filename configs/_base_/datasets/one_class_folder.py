# any folder of good images to learn from; a list of images to test on, each
# line a path and 0 (good) or 1 (defective), unless there is a folder for good
# images and one for each defect
data_root = 'data/images'
split_dir = 'mmcvgssl'
input_size = 256

meta_keys = ('sample_idx', 'img_path', 'ori_shape', 'category', 'defect')
fit_pipeline = [
    dict(type='mmcvgssl.LoadImage', input_size=input_size),
    dict(type='mmcvgssl.SquareResize', input_size=input_size),
    dict(type='mmpretrain.PackInputs', meta_keys=meta_keys),
]
test_pipeline = [
    dict(type='mmcvgssl.LoadImage', input_size=input_size),
    dict(type='mmcvgssl.LoadMask'),
    dict(type='mmcvgssl.SquareResize', input_size=input_size),
    dict(
        type='mmpretrain.PackInputs',
        algorithm_keys=('gt_mask',),
        meta_keys=meta_keys,
    ),
]
fit_dataloader = dict(
    batch_size=16,
    num_workers=2,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmcvgssl.OneClassDataset',
        data_root=data_root,
        split_dir=split_dir,
        ann_file='',
        leave_out='test.txt',
        split='train',
        pipeline=fit_pipeline,
    ),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=2,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmcvgssl.OneClassDataset',
        data_root=data_root,
        split_dir=split_dir,
        ann_file='test.txt',
        split='test',
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type='mmcvgssl.AnomalyMetric')
test_cfg = dict()
