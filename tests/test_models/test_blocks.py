"""Which images are held out, or are of a fold."""

import pytest

from mmcvgssl.models.anomaly import MahalanobisAD, MapEnsemble
from mmcvgssl.models.anomaly.blocks import (
    block_size,
    count_held_out,
    is_held_out,
    place_in_block,
)
from tests.test_models.test_anomaly import LocalTeacher


@pytest.mark.parametrize('cameras', [2, 5, 10])
def test_images_of_all_cameras_are_held_out_and_in_all_folds(cameras):
    places = {(n % cameras, place_in_block(n, 5)) for n in range(500)}
    assert len(places) == 5 * cameras
    held = {n % cameras for n in range(500) if is_held_out(n, 5)}
    assert held == {*range(cameras)}


@pytest.mark.parametrize('size', [2, 3, 5])
def test_each_block_has_each_place_once(size):
    for first in range(0, 20 * size, size):
        places = [place_in_block(first + i, size) for i in range(size)]
        assert sorted(places) == [*range(size)]
    assert [place_in_block(n, size) for n in range(size)] == [*range(size)]


def test_what_is_held_out_is_counted():
    held = [is_held_out(number, 5) for number in range(100)]
    for total in range(101):
        assert count_held_out(total, 5) == sum(held[:total])
    assert count_held_out(95, 5) == 19


@pytest.mark.parametrize('share', [0, -0.2, 0.51, 0.8, 1, '0.2', None])
def test_shares_that_cannot_be_held_out_are_refused(share):
    with pytest.raises(ValueError, match=r'up to 0\.5, got'):
        block_size(share, 'holdout')
    with pytest.raises(ValueError, match=r'calibration\.holdout is a share'):
        MahalanobisAD(LocalTeacher(), calibration={'holdout': share})
    with pytest.raises(ValueError, match='held_out is a share'):
        MapEnsemble([MahalanobisAD(LocalTeacher())], held_out=share)
