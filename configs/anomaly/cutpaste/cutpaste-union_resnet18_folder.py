_base_ = 'cutpaste-3way_resnet18_folder.py'

model = dict(num_classes=2)
train_dataloader = _base_.train_dataloader
train_dataloader.dataset.pipeline[1].type = 'mmcvgssl.CutPasteUnion'
