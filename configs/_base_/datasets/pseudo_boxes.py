# boxes without labels, as tools/maps_to_boxes.py writes them; both paths
# are relative to where training starts
classes = ('anomaly',)
train_set = dict(
    data_root='',
    ann_file='work_dirs/boxes/boxes.json',
    data_prefix=dict(img='data/images'),
    metainfo=dict(classes=classes),
)
