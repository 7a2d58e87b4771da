_base_ = 'agbp_csp-s.py'

model = dict(backbone=dict(widen_factor=0.25))
