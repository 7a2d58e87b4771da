# Faster R-CNN, backbone without ImageNet; a leaf adds a data set
_base_ = [
    'mmdet::faster_rcnn/faster-rcnn_r50_fpn_1x_coco.py',
    'coco_sets.py',
]

custom_imports = dict(imports=['mmcvgssl'], allow_failed_imports=False)
randomness = dict(seed=0)

# of the data set; both are options, too
data_root = '${data_set.data_root}'
num_classes = '${len:classes}'

model = dict(
    data_preprocessor=dict(
        mean=[110.30, 113.43, 109.91], std=[32.03, 30.61, 30.27]
    ),
    backbone=dict(frozen_stages=-1, norm_eval=False, init_cfg=None),
    roi_head=dict(bbox_head=dict(num_classes='${num_classes}')),
    # nothing is learned of crowds, which may or may not be defects
    train_cfg=dict(
        rpn=dict(assigner=dict(ignore_iof_thr=0.5)),
        rcnn=dict(assigner=dict(ignore_iof_thr=0.5)),
    ),
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
        interval=10,
        max_keep_ckpts=2,
    ),
)

max_epochs = 100
optim_wrapper = dict(clip_grad=dict(max_norm=35.0))
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=100
    ),
    dict(
        type='MultiStepLR',
        begin=0,
        end=max_epochs,
        by_epoch=True,
        milestones=[70, 90],
        gamma=0.1,
    ),
]
train_cfg = dict(max_epochs=max_epochs, val_interval=10)
find_unused_parameters = True
