# YOLOv8-s; a leaf adds a data set
_base_ = [
    'mmyolo::yolov8/yolov8_s_syncbn_fast_8xb16-500e_coco.py',
    'coco_sets.py',
]

custom_imports = dict(imports=['mmcvgssl'], allow_failed_imports=False)
randomness = dict(seed=0)

# of the data set; both are options, too
data_root = '${data_set.data_root}'
num_classes = '${len:classes}'

model = dict(
    bbox_head=dict(head_module=dict(num_classes='${num_classes}')),
    train_cfg=dict(assigner=dict(num_classes='${num_classes}')),
)

# less mmdet.Albu, which needs another package
train_pipeline = _base_.train_pipeline
train_pipeline_stage2 = _base_.train_pipeline_stage2
del train_pipeline[4], train_pipeline_stage2[5]
test_pipeline = _base_.test_pipeline
test_pipeline[-1].meta_keys += ('instances',)
tta_pipeline = _base_.tta_pipeline
# one reader of images for all stages
load_image = dict(type='mmcvgssl.LoadImage')
train_pipeline[0] = train_pipeline_stage2[0] = load_image
train_pipeline[2].pre_transform[0] = load_image
test_pipeline[0] = tta_pipeline[0] = load_image
pre_transform = train_pipeline[:2]

train_dataloader = dict(
    # anew, as mmengine would pass its note of the scope to the function
    collate_fn=dict(_delete_=True, type='yolov5_collate'),
    dataset=dict(
        **_base_.train_set,
        pipeline=train_pipeline,
        # thin images and good ones, without a box, are learned from, too
        filter_cfg=dict(filter_empty_gt=False, min_size=1),
    ),
)
val_dataloader = dict(dataset=dict(**_base_.test_set, pipeline=test_pipeline))
test_dataloader = val_dataloader
# the truth comes with the samples, so that data_root stands in one place
val_evaluator = dict(ann_file=None)
test_evaluator = val_evaluator

# a checkpoint whose backbone training starts with; '' for none
backbone_checkpoint = ''
mosaic_switch = _base_.custom_hooks[1]
mosaic_switch.switch_pipeline = train_pipeline_stage2
custom_hooks = [
    _base_.custom_hooks[0],
    mosaic_switch,
    dict(type='mmcvgssl.InvalidLossHook'),
    dict(type='mmcvgssl.LoadBackboneHook'),
    dict(type='mmcvgssl.FitCheckpointHook'),
]
# the last epoch counts: the data sets have no part to choose one on
default_hooks = dict(
    runtime_info=dict(type='mmcvgssl.DeferredInfoHook'),
    checkpoint=dict(save_best=None),
)
