# steel pipes; names as in the categories of the COCO files
classes = (
    'warp',
    'external_fold',
    'wrinkle',
    'scratch',
)
train_set = dict(
    data_root='data/steel_pipe',
    ann_file='mmcvgssl/train.json',
    data_prefix=dict(img=''),
    metainfo=dict(classes=classes),
)
test_set = {**train_set, 'ann_file': 'mmcvgssl/test.json'}
