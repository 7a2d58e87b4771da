_base_ = [
    '../../_base_/models/kead.py',
    '../../_base_/datasets/magnetic_tile.py',
    '../../_base_/anomaly_runtime.py',
]

input_size = 240

model = dict(knowledge='magnetic_tile')
