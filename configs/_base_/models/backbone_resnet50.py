# as the pretraining builds it, for detectors
resnet50 = dict(
    type='mmdet.ResNet',
    depth=50,
    out_indices=(1, 2, 3),
    frozen_stages=-1,
    norm_eval=False,  # the host's default keeps statistics of random weights
)
normalisation = dict(mean=[110.30, 113.43, 109.91], std=[32.03, 30.61, 30.27])
