"""Captions of boxes in pictures."""

import numpy as np
import pytest

from mmcvgssl.apis.prediction.boxes import draw_boxes

COLOURS = [(0, 0, 255), (0, 255, 0), (255, 0, 0), (0, 255, 255)]


def grounds(frames, side):
    """Count pixels of each caption's colour."""
    blank = np.zeros((side, side, 3), np.uint8)
    drawn = draw_boxes(blank, (side, side), frames=frames)
    return [int((drawn == colour).all(2).sum()) for *_, colour in frames]


@pytest.mark.parametrize(
    'boxes',
    [
        [[40, 40, 90, 90], [46, 44, 96, 94]],  # one upon the other
        [[40, 40, 60, 60], [62, 40, 82, 60], [84, 40, 104, 60]],  # in a row
        [[0, 0, 40, 40], [2, 0, 42, 40], [0, 3, 40, 44]],  # in a corner
        [[160, 170, 200, 200], [150, 168, 200, 200]],
        [[20, 60, 180, 140], [24, 62, 178, 138], [22, 58, 182, 142]],
    ],
)
def test_captions_do_not_cover_each_other(boxes, monkeypatch):
    """Each has as many pixels as it has alone, where boxes have no lines."""
    monkeypatch.setattr('cv2.rectangle', lambda *_: None)
    frames = [
        (list(map(float, box)), f'defect 0.{i}', COLOURS[i])
        for i, box in enumerate(boxes)
    ]
    whole = [grounds([frame], 200)[0] for frame in frames]
    assert min(whole) > 300
    assert grounds(frames, 200) == whole


def test_the_highest_score_is_above_its_box():
    blank = np.zeros((200, 200, 3), np.uint8)
    box = [60.0, 60.0, 140.0, 140.0]
    frames = [(box, f'defect 0.{i}', COLOURS[i]) for i in range(3)]
    drawn = draw_boxes(blank, (200, 200), frames=frames)
    above = (drawn[50:58, 60:100] == COLOURS[2]).all(2)
    assert above.mean() > 0.5


def test_many_boxes_in_a_small_picture_are_drawn():
    blank = np.zeros((30, 30, 3), np.uint8)
    frames = [
        ([1.0, 1.0, 29.0, 29.0], 'a long name of a defect', COLOURS[i % 4])
        for i in range(40)
    ]
    drawn = draw_boxes(blank, (30, 30), frames=frames)
    assert drawn.any()
    assert draw_boxes(blank, (30, 30), frames=[]).any() == 0
