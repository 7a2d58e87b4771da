# without a network: --cfg-options model.checkpoint=ckp/FILE of these weights;
# with normal images: model.k=4
model = dict(
    type='mmcvgssl.KeAD',
    model_name='ViT-B-16-plus-240',
    pretrained='laion400m_e32',
    input_size='${input_size}',
    cache_dir='work_dirs/text_features',
)
