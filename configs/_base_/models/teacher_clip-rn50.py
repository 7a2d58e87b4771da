# without a network: --cfg-options model.teachers.0.checkpoint=ckp/RN50.pt
teachers = [
    dict(
        type='mmcvgssl.OpenCLIPTeacher',
        model_name='RN50',
        pretrained='openai',
    )
]
