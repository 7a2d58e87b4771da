_base_ = 'default_runtime.py'

# map generators that learn from images do so before the test
fit_cfg = dict(type='mmcvgssl.FitLoop')
custom_hooks = [dict(type='mmcvgssl.AnomalyFitHook')]

# the loop of mmcvgssl maps
map_cfg = dict(type='mmcvgssl.MapLoop')
