# SoftTeacher (arXiv 2106.09018) around Faster R-CNN on small images: a mean
# teacher boxes the unlabelled images while the student learns; a leaf adds a
# data set, of which unlabelled_ann_file names the unlabelled images
_base_ = 'faster-rcnn_r18_256px.py'

unlabelled_ann_file = '${ann_file}'

detector = _base_.model
model = dict(
    _delete_=True,
    type='SoftTeacher',
    detector=detector,
    data_preprocessor=dict(
        type='MultiBranchDataPreprocessor',
        data_preprocessor=detector.data_preprocessor,
    ),
    semi_train_cfg=dict(
        freeze_teacher=True,
        sup_weight=1.0,
        unsup_weight=4.0,
        pseudo_label_initial_score_thr=0.5,
        rpn_pseudo_thr=0.9,
        cls_pseudo_thr=0.9,
        reg_pseudo_thr=0.02,
        jitter_times=10,
        jitter_scale=0.06,
        min_pseudo_bbox_wh=(1e-2, 1e-2),
    ),
    semi_test_cfg=dict(predict_on='teacher'),
)

# colour operations that make sense on grey images
appearance = [
    [dict(type=name)]
    for name in (
        *('AutoContrast', 'Equalize', 'Sharpness', 'Posterize'),
        *('Contrast', 'Brightness'),
    )
]
geometry = [
    [dict(type=name)]
    for name in ('Rotate', 'ShearX', 'ShearY', 'TranslateX', 'TranslateY')
]
branches = ['sup', 'unsup_teacher', 'unsup_student']
pack = dict(
    type='PackDetInputs',
    meta_keys=(
        *('img_id', 'img_path', 'ori_shape', 'img_shape', 'scale_factor'),
        *('flip', 'flip_direction', 'homography_matrix'),
    ),
)
drop_thin = dict(type='FilterAnnotations', min_gt_bbox_wh=(1e-2, 1e-2))
look = dict(type='RandAugment', aug_space=appearance, aug_num=1)
resize = dict(type='Resize', scale=_base_.img_scale, keep_ratio=True)
flip = dict(type='RandomFlip', prob=0.5)
labelled_pipeline = [
    _base_.load_image,
    dict(type='LoadAnnotations', with_bbox=True),
    resize,
    flip,
    look,
    drop_thin,
    dict(type='MultiBranch', branch_field=branches, sup=pack),
]
unlabelled_pipeline = [
    _base_.load_image,
    dict(type='LoadEmptyAnnotations'),
    dict(
        type='MultiBranch',
        branch_field=branches,
        unsup_teacher=[resize, flip, pack],
        unsup_student=[
            resize,
            flip,
            dict(
                type='RandomOrder',
                transforms=[
                    look,
                    dict(type='RandAugment', aug_space=geometry, aug_num=1),
                ],
            ),
            dict(type='RandomErasing', n_patches=(1, 5), ratio=(0, 0.2)),
            drop_thin,
            pack,
        ],
    ),
]
batch_size = 8  # two labelled images, six others, which are seen twice
labelled = dict(
    type='CocoDataset',
    **_base_.train_set,
    filter_cfg=dict(filter_empty_gt=False, min_size=1),
    pipeline=labelled_pipeline,
)
train_dataloader = dict(
    _delete_=True,
    batch_size=batch_size,
    num_workers=2,
    persistent_workers=True,
    sampler=dict(
        type='MultiSourceSampler', batch_size=batch_size, source_ratio=[1, 3]
    ),
    dataset=dict(
        type='ConcatDataset',
        datasets=[
            labelled,
            {
                **labelled,
                'ann_file': '${unlabelled_ann_file}',
                'pipeline': unlabelled_pipeline,
            },
        ],
    ),
)
val_cfg = dict(_delete_=True, type='TeacherStudentValLoop')

# batch norm learns, so its statistics go to the teacher, too
custom_hooks = [
    *_base_.custom_hooks,
    dict(type='MeanTeacherHook', skip_buffer=False),
]
max_iters = 4_000
train_cfg = dict(
    _delete_=True,
    type='IterBasedTrainLoop',
    max_iters=max_iters,
    val_interval=1_000,
)
param_scheduler = [
    dict(
        type='LinearLR', start_factor=0.001, by_epoch=False, begin=0, end=100
    ),
    dict(
        type='MultiStepLR',
        begin=0,
        end=max_iters,
        by_epoch=False,
        milestones=[3_000, 3_600],
        gamma=0.1,
    ),
]
default_hooks = dict(
    checkpoint=dict(by_epoch=False, interval=500, max_keep_ckpts=2)
)
log_processor = dict(by_epoch=False)
