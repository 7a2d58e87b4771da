# MVTec AD: 15 objects and textures, good images to learn from; category=''
# takes all that are there
_base_ = 'one_class_folder.py'

data_root = 'data/mvtec'
category = 'bottle'
layout = 'mvtec'

fit_dataloader = dict(dataset=dict(leave_out='', category='${category}'))
test_dataloader = dict(dataset=dict(ann_file='', category='${category}'))
