_base_ = [
    'kead_vit-b16-plus-240_laion400m_folder.py',
    '../../_base_/datasets/mvtec.py',
]

# each image by the words of its own category; other categories:
# --cfg-options category=cable, or category='' for all
model = dict(knowledge='mvtec')
