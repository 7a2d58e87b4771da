# a larger network and more pixels: finer maps, and boxes that fit better
_base_ = 'musc_lite0-all-defective_folder.py'

input_size = 512
model = dict(
    teacher=dict(
        model_name='tf_efficientnet_lite2',
        weights='package:efficientnet-lite2',
    ),
)
