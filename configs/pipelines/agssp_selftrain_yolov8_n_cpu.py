# then once more, on labels and on the detector's own boxes
_base_ = 'agssp_yolov8_n_cpu.py'

stages = dict(
    selftrain=dict(tool='self_training', config='finetune', folds=3, rounds=1),
    test_selftrain=dict(tool='test', config='selftrain'),
)
