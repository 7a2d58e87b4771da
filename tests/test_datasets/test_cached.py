"""Images that are kept are those that would be made."""

import numpy as np
import pytest

from mmcvgssl.datasets.transforms import Cached, UnreadableImageError
from tests.data import picture

STEPS = [
    dict(type='mmcvgssl.LoadImage', input_size=16),
    dict(type='mmcvgssl.SquareResize', input_size=16),
]


@pytest.fixture
def paths(tmp_path):
    for i in range(3):
        picture(i, 40).save(tmp_path / f'{i}.png')
    return [str(tmp_path / f'{i}.png') for i in range(3)]


def test_an_image_is_read_once(paths):
    cached = Cached(STEPS)
    first = [cached({'img_path': p, 'view_set': 0}) for p in paths]
    with open(paths[0], 'wb') as file:
        file.write(b'gone')
    again = cached({'img_path': paths[0], 'view_set': 1})
    assert again['view_set'] == 1
    assert first[0].keys() == again.keys()
    assert np.array_equal(first[0]['img'], again['img'])
    assert again['img_shape'] == (16, 16)
    assert again['ori_shape'] == (40, 40)
    assert not np.array_equal(first[1]['img'], again['img'])
    with pytest.raises(ValueError, match='read-only'):
        again['img'][0] = 0


def test_no_more_is_kept_than_there_is_room_for(paths):
    room = 1.5 * 16 * 16 * 3 / 2**20
    cached = Cached(STEPS, megabytes=room)
    before = [cached({'img_path': p})['img'] for p in paths]
    assert [b.flags.writeable for b in before] == [False, True, True]
    for path in paths:
        with open(path, 'wb') as file:
            file.write(b'gone')
    assert np.array_equal(cached({'img_path': paths[0]})['img'], before[0])
    with pytest.raises(UnreadableImageError):
        cached({'img_path': paths[1]})
    with pytest.raises(ValueError, match='0 or more'):
        Cached(STEPS, megabytes=-1)


def test_what_draws_at_random_cannot_be_kept(paths):
    flip = dict(type='mmpretrain.RandomFlip', prob=0.5)
    with pytest.raises(ValueError, match=r"'RandomFlip'.* draws at random"):
        Cached([*STEPS, flip])({'img_path': paths[0]})
