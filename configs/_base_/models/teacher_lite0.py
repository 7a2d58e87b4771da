# weights from the package registry: needs no hub, Apache-2.0
teachers = [
    dict(
        type='mmcvgssl.TimmTeacher',
        model_name='tf_efficientnet_lite0',
        weights='package:efficientnet-lite0',
    )
]
