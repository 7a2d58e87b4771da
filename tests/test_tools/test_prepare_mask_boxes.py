"""Boxes around masks, and their division for detectors."""

import json

import numpy as np
import pytest

from mmcvgssl.datasets.preparation import prepare_magnetic_tile
from mmcvgssl.datasets.preparation.mask_boxes import boxes_of_mask
from tests.test_tools.test_prepare_one_class import make_tiles


@pytest.mark.parametrize(
    ('pixels', 'boxes'),
    [
        ([], []),
        ([(0, 0)], [(1, 1, 1, 1)]),
        ([(2, 3), (3, 4)], [(4, 3, 5, 4)]),  # by their corners
        ([(1, 1), (1, 3)], [(2, 2, 2, 2), (4, 2, 4, 2)]),
        ([(5, 6), (5, 7)], [(7, 6, 8, 6)]),  # to the border
    ],
)
def test_each_part_of_a_mask_has_a_box(pixels, boxes):
    mask = np.zeros((6, 8), np.uint8)
    for y, x in pixels:
        mask[y, x] = 255
    assert boxes_of_mask(mask) == boxes


def test_defects_are_divided_with_their_boxes(tmp_path):
    root = make_tiles(tmp_path)
    prepared = prepare_magnetic_tile(root, test_fraction=0.5)
    files = [
        prepared.out / f'defects_{part}.json' for part in ('train', 'test')
    ]
    content = [json.loads(file.read_text()) for file in files]
    names = [{i['file_name'] for i in part['images']} for part in content]
    assert names[0]
    assert not names[0] & names[1]
    unlabelled = (prepared.out / 'detection_unlabelled.txt').read_text()
    assert set(unlabelled.split()) == names[0] | {
        path for path, _ in prepared.splits['train']
    }
    classes = [c['name'] for c in content[0]['categories']]
    assert classes == sorted(classes)
    for part in content:
        images = {i['id']: i for i in part['images']}
        owners = {box['image_id'] for box in part['annotations']}
        assert owners == set(images)
        for box in part['annotations']:
            image = images[box['image_id']]
            x, y, w, h = box['bbox']
            assert 0 <= x < x + w <= image['width']
            assert 0 <= y < y + h <= image['height']
            folder = image['file_name'].split('/')[0]
            assert classes[box['category_id']] == folder
