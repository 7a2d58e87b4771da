# for maps: trained on patches of 64 px, which score all positions of an image
_base_ = 'cutpaste-3way_resnet18_folder.py'

detector = dict(patch=dict(size=64, stride=8, sigma=8.0))
train_dataloader = _base_.train_dataloader
train_dataloader.dataset.pipeline.insert(
    1, dict(type='mmpretrain.RandomCrop', crop_size=64)
)
# a crop is not resized: scars are as large as in the image
train_dataloader.dataset.pipeline[2].scar = dict(side=64)
fit_dataloader = dict(batch_size=2)
test_dataloader = dict(batch_size=2)
