# a handful of images: 10 epochs of 16 updates, minutes on a CPU
_base_ = [
    'cutpaste-3way_resnet18_cpu_folder.py',
    '../../_base_/datasets/mvtec.py',
]

category = ''
# 8 good images are too few to hold some out: the threshold is one of unknown
# rate, see detector.holdout
detector = dict(false_alarm_rate=0.125, holdout=0)
train_dataloader = dict(sampler=dict(updates=16))
test_evaluator = dict(pixel=False)
