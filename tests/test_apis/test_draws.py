"""Which images of a list get a label."""

import numpy as np
import pytest

from mmcvgssl.apis.selection.draws import (
    DRAWS,
    EQUAL,
    ROUNDS,
    check_draw,
    draw_labelled,
    next_round,
)

LABELS = np.repeat([0, 1, 2], [40, 12, 8])


def rows(seed: int = 0) -> np.ndarray:
    """Three groups of features, the third between the others."""
    random = np.random.RandomState(seed)
    centres = np.array([[3.0, 0, 1], [0, 3, 1], [1.5, 1.5, 1]])
    return centres[LABELS] + random.randn(len(LABELS), 3) * 0.3


@pytest.mark.parametrize('draw', DRAWS)
@pytest.mark.parametrize('shots', [1, 5])
def test_each_draw_labels_as_many_images(draw, shots):
    drawn = draw_labelled(draw, shots, 3, LABELS, rows)
    assert len({*drawn.tolist()}) == 3 * shots
    assert (drawn == draw_labelled(draw, shots, 3, LABELS, rows)).all()
    if draw == EQUAL:
        assert np.bincount(LABELS[drawn]).tolist() == [shots] * 3


def test_only_labels_of_earlier_rounds_are_looked_at():
    """Labels of images that no round has chosen change nothing."""
    drawn = draw_labelled(ROUNDS, 5, 0, LABELS, rows)
    others = LABELS.copy()
    hidden = np.setdiff1d(np.arange(len(LABELS)), drawn[:8])
    others[hidden] = np.random.RandomState(0).permutation(others[hidden])
    again = draw_labelled(ROUNDS, 5, 0, others, rows)
    assert again.tolist() == drawn.tolist()


def test_rounds_look_for_what_is_uncertain():
    known = [0, 40]  # one of either side
    found = next_round(rows(), LABELS, known, 4, 'uncertainty', 0)
    between = np.abs(rows()[:, 0] - rows()[:, 1])
    assert between[found].mean() < between.mean()
    assert not {*found} & {*known}


def test_features_are_not_asked_for_where_classes_are_known():
    draw_labelled(EQUAL, 1, 0, LABELS, lambda: pytest.fail('computed'))


@pytest.mark.parametrize(
    ('draw', 'shots', 'message'),
    [
        ('uncertainty', 1, 'expected one of equal, kmeans'),
        ('kmeans', 21, '21 for each of 3 classes are 63 labels; expected 1'),
        (ROUNDS, 0, 'are 0 labels; expected 1 to 60'),
        (EQUAL, 9, '2 has 8'),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, shots, message):
    with pytest.raises(ValueError, match=message):
        check_draw(draw, shots, LABELS)
