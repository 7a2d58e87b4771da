# minutes on a CPU core: the student begins as its teacher and stays close
_base_ = [
    '../../_base_/models/cvgssl-regress_lite0.py',
    '../../_base_/loaders/whole_and_crop.py',
    '../../_base_/schedules/adamw_3e.py',
    '../../_base_/default_runtime.py',
]

train_dataloader = dict(batch_size=32)
auto_scale_lr = dict(base_batch_size=32)
default_hooks = dict(checkpoint=dict(interval=3))
few_shot = dict(poolings=_base_.poolings)
