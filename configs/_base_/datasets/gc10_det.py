# GC10-DET, steel sheets; names as in the categories of the COCO files
classes = (
    'punching_hole',
    'welding_line',
    'crescent_gap',
    'water_spot',
    'oil_spot',
    'silk_spot',
    'inclusion',
    'rolled_pit',
    'crease',
    'waist_folding',
)
data_set = dict(
    data_root='data/gc10_det',
    ann_file='mmcvgssl/train.json',
    test_ann_file='mmcvgssl/test.json',
    img='',
)
