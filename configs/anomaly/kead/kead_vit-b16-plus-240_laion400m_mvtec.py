_base_ = [
    '../../_base_/models/kead.py',
    '../../_base_/datasets/mvtec.py',
    '../../_base_/anomaly_runtime.py',
]

input_size = 240

# each image by the words of its own category; other categories:
# --cfg-options category=cable, or category='' for all
model = dict(knowledge='mvtec')
