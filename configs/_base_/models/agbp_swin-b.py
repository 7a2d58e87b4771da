# no norms at the outputs: behind them the distillation hardly reaches the
# backbone
model = dict(
    type='mmcvgssl.AnomalyDistillClassifier',
    data_preprocessor=dict(
        type='mmpretrain.ClsDataPreprocessor',
        mean=[110.30, 113.43, 109.91],
        std=[32.03, 30.61, 30.27],
        to_rgb=True,
    ),
    backbone=dict(
        type='mmpretrain.SwinTransformer',
        arch='base',
        img_size=224,
        drop_path_rate=0.2,
        out_indices=(2, 3),
        frozen_stages=1,
        norm_cfg=None,
    ),
    distill_head=dict(type='mmcvgssl.AnomalyDistillHead', weight=1.0),
    task_weight=0.1,
)
