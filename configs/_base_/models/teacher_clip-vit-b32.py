# without a network: --cfg-options model.teachers.0.checkpoint=ckp/ViT-B-32.pt
teachers = [
    dict(
        type='mmcvgssl.OpenCLIPTeacher',
        model_name='ViT-B-32',
        pretrained='openai',
    )
]
