# NEU-DET, hot-rolled strip: 6 defects, 1,800 grey images of 200 px
classes = (
    'crazing',
    'inclusion',
    'patches',
    'pitted_surface',
    'rolled-in_scale',
    'scratches',
)
data_set = dict(
    data_root='data/neu_det',
    ann_file='mmcvgssl/train.json',
    test_ann_file='mmcvgssl/test.json',
    img='',
)
