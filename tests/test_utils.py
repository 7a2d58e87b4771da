"""Small helpers."""

import numpy as np
import pytest

from mmcvgssl.utils import evenly


@pytest.mark.parametrize('n', [0, 1, 2, 5, 17])
@pytest.mark.parametrize('most', [0, 1, 2, 3, 12, 40])
def test_places_are_chosen_evenly(n, most):
    places = evenly(n, most)
    assert len(places) == len(set(places)) == min(n, most)
    assert set(places) <= set(range(n))
    if len(places) > 1:
        steps = np.diff(places)
        assert (places[0], places[-1]) == (0, n - 1)
        assert steps.max() - steps.min() <= 1
