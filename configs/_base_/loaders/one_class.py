# good images to learn from, good and defective ones to test on
defaults = dict(
    data_root=None,  # folder of the images: to be given
    split_dir='mmcvgssl',  # folder of lists, in data_root
    ann_file='',  # list of images to learn from; '': all but leave_out
    leave_out='test.txt',
    # a path and 0 (good) or 1 (defective) a line; '': a folder for good images
    # and one for each defect
    test_ann_file='test.txt',
    # names of folders of good images; auto: the usual ones, as good and ok
    good_names=['auto'],
    layout='auto',  # 'mvtec', 'mask-beside' or 'folder'
    category='',  # of several; '': all
    mask_suffix='auto',  # what follows the stem of a mask's name
    ignore=[],  # files and folders to leave out
    input_size=256,
)

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
        meta_keys=(*meta_keys, 'mask_path'),
    ),
]
images = dict(
    type='mmcvgssl.OneClassDataset',
    data_root='${data_root}',
    split_dir='${split_dir}',
    good_names='${good_names}',
    layout='${layout}',
    category='${category}',
    mask_suffix='${mask_suffix}',
    ignore='${ignore}',
)
fit_dataloader = dict(
    batch_size=16,
    num_workers=2,
    drop_last=False,
    sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        **images,
        ann_file='${ann_file}',
        leave_out='${leave_out}',
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
        **images,
        ann_file='${test_ann_file}',
        split='test',
        pipeline=test_pipeline,
    ),
)
test_evaluator = dict(type='mmcvgssl.AnomalyMetric')
test_cfg = dict()
