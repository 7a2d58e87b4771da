# steel pipes; names as in the categories of the COCO files
classes = (
    'warp',
    'external_fold',
    'wrinkle',
    'scratch',
)
data_set = dict(
    data_root='data/steel_pipe',
    ann_file='mmcvgssl/train.json',
    test_ann_file='mmcvgssl/test.json',
    img='',
)
