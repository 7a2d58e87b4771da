# its levels, for detectors and as what goes to them
_base_ = 'lite0.py'

lite0 = _base_.lite0
lite0.update(features_only=True, out_indices=(2, 3, 4))
