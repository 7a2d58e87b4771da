# any set of images with boxes in COCO files; list the names of its categories;
# img is the folder of the images below data_root
classes = ('defect',)
data_set = dict(
    data_root='data/images',
    ann_file='annotations/train.json',
    test_ann_file='annotations/test.json',
    img='',
)
