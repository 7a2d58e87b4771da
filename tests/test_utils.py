"""Small helpers."""

import numpy as np
import pytest

from mmcvgssl.utils import evenly, files_below


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


def test_files_are_found_through_links_once_and_hidden_ones_are_not(tmp_path):
    here, there = tmp_path / 'here', tmp_path / 'there'
    for file in [
        here / 'a.png',
        here / 'line' / 'b.png',
        here / '.cache' / 'c.png',
        here / 'line' / '._b.png',
        there / 'd.png',
    ]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (here / 'camera').symlink_to(there)
    (here / 'e.png').symlink_to(there / 'd.png')
    (here / 'gone.png').symlink_to(there / 'nothing.png')
    # links in circles: to itself, to what is above, and by each other
    (here / 'line' / 'again').symlink_to(here)
    (here / 'line' / 'above').symlink_to(tmp_path)
    (there / 'back').symlink_to(here / 'line')
    found = sorted(str(p.relative_to(here)) for p in files_below(here))
    assert found == [
        'a.png',
        'camera/back/b.png',
        'camera/d.png',
        'e.png',
        'line/b.png',
    ]
    link = tmp_path / 'link'
    link.symlink_to(here)
    assert len(list(files_below(link))) == len(found)
    assert list(files_below(tmp_path / 'none')) == []
