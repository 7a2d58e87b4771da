# SSPCAB in place of the last convolution of a ResNet-18
sspcab = dict(
    _delete_=True,
    type='mmcvgssl.WithSSPCAB',
    layers='layer4.1.conv2',
    loss_weight=0.1,
    backbone=dict(type='mmpretrain.ResNet', depth=18),
)
