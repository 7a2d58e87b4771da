# casting billets; names as in the categories of the COCO files
classes = (
    'scratch',
    'weld_slag',
    'cutting_opening',
    'water_slag_mark',
    'slag_skin',
    'longitudinal_crack',
)
data_set = dict(
    data_root='data/casting_billet',
    ann_file='mmcvgssl/train.json',
    test_ann_file='mmcvgssl/test.json',
    img='',
)
