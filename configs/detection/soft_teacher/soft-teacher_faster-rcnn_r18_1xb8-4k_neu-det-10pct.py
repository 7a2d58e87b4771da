# few labels, and the other training images, whose boxes are not read
_base_ = [
    '../../_base_/detectors/soft-teacher_faster-rcnn_r18_256px.py',
    '../../_base_/datasets/neu_det.py',
]
ann_file = 'mmcvgssl/train_10pct.json'
unlabelled_ann_file = 'mmcvgssl/train.json'
