_base_ = [
    '../../_base_/models/musc_lite0.py',
    '../../_base_/loaders/one_class.py',
    '../../_base_/anomaly_runtime.py',
]

# maps that are zero where nothing stands out, for what learns from them
model = dict(calibration=dict(floor=0.5))
