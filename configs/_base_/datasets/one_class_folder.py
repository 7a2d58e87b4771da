# any folder of good images to learn from; a list of images to test on, each
# line a path and 0 (good) or 1 (defective), unless there is a folder for good
# images and one for each defect
data_root = 'data/images'
split_dir = 'mmcvgssl'
# names of folders of good images; auto: the usual ones, as good and ok
good_names = ['auto']
# 'mvtec', 'mask-beside' or 'folder'; what follows the stem of a mask's name
layout, mask_suffix = 'auto', 'auto'
ignore = []  # files and folders to leave out
input_size = 256

meta_keys = ('sample_idx', 'img_path', 'ori_shape', 'category', 'defect')
fit_pipeline = [
    dict(type='mmcvgssl.LoadImage', input_size='${input_size}'),
    dict(type='mmcvgssl.SquareResize', input_size='${input_size}'),
    dict(type='mmpretrain.PackInputs', meta_keys=meta_keys),
]
test_pipeline = [
    dict(type='mmcvgssl.LoadImage', input_size='${input_size}'),
    dict(type='mmcvgssl.LoadMask'),
    dict(type='mmcvgssl.SquareResize', input_size='${input_size}'),
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
        data_root='${data_root}',
        split_dir='${split_dir}',
        ann_file='',
        leave_out='test.txt',
        split='train',
        good_names='${good_names}',
        layout='${layout}',
        mask_suffix='${mask_suffix}',
        ignore='${ignore}',
        pipeline='${fit_pipeline}',
    ),
)
test_dataloader = dict(
    batch_size=16,
    num_workers=2,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='mmcvgssl.OneClassDataset',
        data_root='${data_root}',
        split_dir='${split_dir}',
        ann_file='test.txt',
        split='test',
        good_names='${good_names}',
        layout='${layout}',
        mask_suffix='${mask_suffix}',
        ignore='${ignore}',
        pipeline='${test_pipeline}',
    ),
)
test_evaluator = dict(type='mmcvgssl.AnomalyMetric')
test_cfg = dict()
