_base_ = [
    '../../_base_/detectors/faster-rcnn_swin-b.py',
    '../../_base_/datasets/casting_billet_det.py',
]

data_root = _base_.train_set.data_root
ann_file = _base_.train_set.ann_file
num_classes = len(_base_.classes)

model = dict(roi_head=dict(bbox_head=dict(num_classes=num_classes)))
train_dataloader = dict(dataset=_base_.train_set)
val_dataloader = dict(dataset=_base_.test_set)
test_dataloader = val_dataloader
