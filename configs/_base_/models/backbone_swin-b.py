# as the pretraining builds it, for detectors; small maps are padded to the
# window
swin_b = dict(
    type='mmpretrain.SwinTransformer',
    arch='base',
    img_size=192,
    stage_cfgs=dict(block_cfgs=dict(window_size=6)),
    drop_path_rate=0.3,
    out_indices=(1, 2, 3),
    pad_small_map=True,
    frozen_stages=-1,
)
normalisation = dict(mean=[110.30, 113.43, 109.91], std=[32.03, 30.61, 30.27])
