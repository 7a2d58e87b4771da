# a larger network, which tells finer defects of parts apart
_base_ = 'patchcore_lite0-512px_folder.py'

model = dict(
    teacher=dict(
        model_name='tf_efficientnet_lite2',
        weights='package:efficientnet-lite2',
    ),
)
