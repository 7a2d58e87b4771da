# DINO with four scales of a transformer; a leaf adds a data set
_base_ = [
    'mmdet::dino/dino-4scale_r50_8xb2-12e_coco.py',
    '../models/backbone_swin-b.py',
    'coco_sets.py',
]

custom_imports = dict(imports=['mmcvgssl'], allow_failed_imports=False)
randomness = dict(seed=0)

# of the data set; both are options, too
data_root = '${data_set.data_root}'
num_classes = '${len:classes}'

model = dict(
    num_queries=100,
    data_preprocessor=_base_.normalisation,
    backbone=dict(_delete_=True, **_base_.swin_b),
    neck=dict(in_channels=[256, 512, 1024]),
    bbox_head=dict(num_classes='${num_classes}'),
    dn_cfg=dict(group_cfg=dict(num_dn_queries=300)),
    test_cfg=dict(max_per_img=100),
)

# one reader of images for all stages
load_image = dict(type='mmcvgssl.LoadImage')
train_pipeline = _base_.train_pipeline
train_pipeline[0] = load_image

# thin images and good ones, without a box, are learned from, too
train_dataloader = dict(
    dataset=dict(
        **_base_.train_set,
        filter_cfg=dict(filter_empty_gt=False, min_size=1),
        pipeline=train_pipeline,
    )
)
# the truth comes with the samples, so that data_root stands in one place
test_pipeline = _base_.test_pipeline
test_pipeline[0] = load_image
test_pipeline[-1].meta_keys += ('instances',)
val_dataloader = dict(dataset=dict(**_base_.test_set, pipeline=test_pipeline))
test_dataloader = val_dataloader
val_evaluator = dict(ann_file=None)
test_evaluator = val_evaluator

# a checkpoint whose backbone training starts with; '' for none
backbone_checkpoint = ''
custom_hooks = [
    dict(type='mmcvgssl.InvalidLossHook'),
    dict(type='mmcvgssl.LoadBackboneHook'),
    dict(type='mmcvgssl.FitCheckpointHook'),
]
# the last epoch counts: the data sets have no part to choose one on
default_hooks = dict(
    runtime_info=dict(type='mmcvgssl.DeferredInfoHook'),
    checkpoint=dict(
        interval=5,
        max_keep_ckpts=2,
    ),
)

max_epochs = 50
param_scheduler = [
    dict(
        type='MultiStepLR',
        begin=0,
        end=max_epochs,
        by_epoch=True,
        milestones=[40],
        gamma=0.1,
    )
]
train_cfg = dict(max_epochs=max_epochs, val_interval=5)
find_unused_parameters = True
