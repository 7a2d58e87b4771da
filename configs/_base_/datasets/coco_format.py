# any set of images with boxes in COCO files; list the names of its categories
classes = ('defect',)
train_set = dict(
    data_root='data/images',
    ann_file='annotations/train.json',
    data_prefix=dict(img=''),
    metainfo=dict(classes=classes),
)
test_set = {**train_set, 'ann_file': 'annotations/test.json'}
