_base_ = ['mvtec.py', 'cutpaste_train.py']

train_dataloader = dict(dataset=dict(category='${category}'))
