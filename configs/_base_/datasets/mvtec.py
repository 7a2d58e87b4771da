# MVTec AD: 15 objects and textures, good images to learn from; category=''
# takes all that are there
data_root = 'data/mvtec'
layout = 'mvtec'
category = 'bottle'
# folders divide the images
test_ann_file = ''
leave_out = ''
