_base_ = [
    '../../_base_/models/agbp_csp-s.py',
    '../../_base_/loaders/anomaly_maps.py',
    '../../_base_/schedules/agbp_sgd_200e.py',
    '../../_base_/pretrained_runtime.py',
]

# folders below data_root, one for each source of images
num_classes = 6

model = dict(
    neck=dict(type='mmpretrain.GlobalAveragePooling'),
    head=dict(
        type='mmpretrain.LinearClsHead',
        num_classes='${num_classes}',
        in_channels=512,
    ),
)
train_dataloader = dict(dataset=dict(with_label=True))
