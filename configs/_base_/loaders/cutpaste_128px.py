# for two CPU cores: small images, epochs of 64 updates
_base_ = 'cutpaste.py'

defaults = dict(input_size=128)
train_dataloader = dict(sampler=dict(updates=64))
