# magnetic tiles: boxes around the masks of 5 defects
classes = (
    'MT_Blowhole',
    'MT_Break',
    'MT_Crack',
    'MT_Fray',
    'MT_Uneven',
)
data_set = dict(
    data_root='data/magnetic_tile',
    ann_file='mmcvgssl/defects_train.json',
    test_ann_file='mmcvgssl/defects_test.json',
    img='',
)
