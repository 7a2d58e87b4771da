# RTMDet-s, of mmdet alone, from random weights; a leaf adds a data set
_base_ = [
    'mmdet::rtmdet/rtmdet_s_8xb32-300e_coco.py',
    'coco_sets.py',
]

custom_imports = dict(imports=['mmcvgssl'], allow_failed_imports=False)
randomness = dict(seed=0)

# of the data set; both are options, too
data_root = '${data_set.data_root}'
num_classes = '${len:classes}'

# less the address of ImageNet weights; RTMDet itself makes SyncBN of BN where
# several processes train
norm_cfg = dict(type='BN')
img_scale = (640, 640)
backbone = _base_.model.backbone
del backbone.init_cfg
backbone.norm_cfg = norm_cfg
model = dict(
    # squares, as in training; a step that pads would have boxes lie beside
    # the image
    data_preprocessor=dict(pad_size_divisor=img_scale[0]),
    backbone=dict(_delete_=True, **backbone),
    neck=dict(norm_cfg=norm_cfg),
    bbox_head=dict(num_classes='${num_classes}', norm_cfg=norm_cfg),
)
del backbone, norm_cfg

# one reader of images for all stages
load_image = dict(type='mmcvgssl.LoadImage')
train_pipeline = _base_.train_pipeline
# images are kept for mosaics as small as these show them
train_pipeline.insert(2, dict(type='Resize', scale=img_scale, keep_ratio=True))
train_pipeline_stage2 = _base_.train_pipeline_stage2
test_pipeline = _base_.test_pipeline
tta_pipeline = _base_.tta_pipeline
for steps in (
    *(train_pipeline, train_pipeline_stage2),
    *(test_pipeline, tta_pipeline),
):
    steps[0] = load_image
del steps
del test_pipeline[2]  # which pads
test_pipeline[-1].meta_keys += ('instances',)
# good images, and crops of them, are learned from, too
train_pipeline[5].allow_negative_crop = True
train_pipeline_stage2[3].allow_negative_crop = True

train_dataloader = dict(
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
pipeline_switch = _base_.custom_hooks[1]
pipeline_switch.switch_pipeline = train_pipeline_stage2
default_hooks = dict(runtime_info=dict(type='mmcvgssl.DeferredInfoHook'))
custom_hooks = [
    _base_.custom_hooks[0],
    pipeline_switch,
    dict(type='mmcvgssl.InvalidLossHook'),
    dict(type='mmcvgssl.LoadBackboneHook'),
    dict(type='mmcvgssl.FitCheckpointHook'),
]
del pipeline_switch

# one GPU; of mmdet's 0.004 for batches of 256
batch_size = 32
base_lr = 0.0015
train_dataloader.update(batch_size=batch_size)
optim_wrapper = dict(optimizer=dict(lr=base_lr))
param_scheduler = _base_.param_scheduler
param_scheduler[1].eta_min = 0.05 * base_lr
auto_scale_lr = dict(base_batch_size=batch_size)
# not used: weights come by backbone_checkpoint
checkpoint = None
