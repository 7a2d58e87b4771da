_base_ = 'cutpaste-3way_resnet18_mvtec.py'

model = dict(num_classes=2)
train_pipeline = _base_.train_pipeline
train_pipeline[1].type = 'mmcvgssl.CutPaste'
