_base_ = ['mvtec.py', 'cutpaste_train.py']

train_dataloader = dict(
    dataset=dict(
        data_root=_base_.data_root,
        layout=_base_.layout,
        category=_base_.category,
    )
)
