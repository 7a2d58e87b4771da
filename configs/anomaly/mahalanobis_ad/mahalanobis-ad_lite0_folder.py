_base_ = [
    '../../_base_/models/mahalanobis-ad_lite0.py',
    '../../_base_/loaders/one_class.py',
    '../../_base_/anomaly_runtime.py',
]
