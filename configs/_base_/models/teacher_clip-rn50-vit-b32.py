# without a network: set checkpoint of model.teachers.0 and model.teachers.1
teachers = [
    dict(
        type='mmcvgssl.OpenCLIPTeacher',
        model_name='RN50',
        pretrained='openai',
    ),
    dict(
        type='mmcvgssl.OpenCLIPTeacher',
        model_name='ViT-B-32',
        pretrained='openai',
    ),
]
