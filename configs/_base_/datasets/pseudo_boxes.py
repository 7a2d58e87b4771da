# boxes without labels, as mmcvgssl boxes writes them; both paths
# are relative to where training starts
classes = ('anomaly',)
data_set = dict(
    data_root='',
    ann_file='work_dirs/boxes/boxes.json',
    test_ann_file=None,  # nothing is tested
    img='data/images',
)
