_base_ = 'agbp_cspnext-s.py'

model = dict(backbone=dict(deepen_factor=0.167, widen_factor=0.375))
