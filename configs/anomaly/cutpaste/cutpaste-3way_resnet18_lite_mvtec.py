# a handful of images: 10 epochs of 16 updates, minutes on a CPU
_base_ = [
    '../../_base_/models/cutpaste_resnet18.py',
    '../../_base_/datasets/cutpaste_mvtec_128px.py',
    '../../_base_/schedules/cutpaste_sgd_10e.py',
    '../../_base_/default_runtime.py',
]

data_root = 'data/mvtec_bottle_lite'
category = ''
# 8 good images are too few to hold some out: the threshold is one of unknown
# rate, see detector.holdout
detector = dict(false_alarm_rate=0.125, holdout=0)
train_dataloader = dict(sampler=dict(updates=16))
test_evaluator = dict(pixel=False)
