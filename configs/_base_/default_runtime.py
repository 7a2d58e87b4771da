custom_imports = dict(imports=['mmcvgssl'], allow_failed_imports=False)
default_scope = 'mmpretrain'

default_hooks = dict(
    runtime_info=dict(type='mmcvgssl.DeferredInfoHook'),
    timer=dict(type='IterTimerHook'),
    logger=dict(type='LoggerHook', interval=10),
    param_scheduler=dict(type='ParamSchedulerHook'),
    checkpoint=dict(type='CheckpointHook', interval=10, max_keep_ckpts=2),
    sampler_seed=dict(type='DistSamplerSeedHook'),
)
custom_hooks = [
    dict(type='mmcvgssl.EpochSeedHook'),
    dict(type='mmcvgssl.InvalidLossHook'),
    dict(type='mmcvgssl.MoreWorkersHook'),
    dict(type='SyncBuffersHook'),
]

env_cfg = dict(
    cudnn_benchmark=True,
    mp_cfg=dict(mp_start_method='fork', opencv_num_threads=0),
    dist_cfg=dict(backend='nccl'),
)
visualizer = dict(
    type='mmpretrain.UniversalVisualizer',
    vis_backends=[dict(type='LocalVisBackend')],
)
log_level = 'INFO'
load_from = None
resume = False
randomness = dict(seed=0, deterministic=False)
