_base_ = [
    '../../_base_/models/simclr_yolov8-s.py',
    '../../_base_/loaders/two_views.py',
    '../../_base_/schedules/simclr_adamw_400e.py',
    '../../_base_/default_runtime.py',
]

# as the detectors scale their images
data_preprocessor = dict(mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0])
