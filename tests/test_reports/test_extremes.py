"""The most and the least suspicious images on one sheet."""

import json

import cv2
import numpy as np
import pytest

from mmcvgssl.reports.extremes import extremes

SCORES = {'a.png': 0.4, 'deep/b.png': 0.9, 'c.png': 0.1, 'd.png': 0.7}


@pytest.fixture
def folder(tmp_path):
    """Write predictions: images are as bright as their scores."""
    root, out = tmp_path / 'images', tmp_path / 'out'
    rows = [{'path': str(root / 'x.png'), 'error': 'broken', 'size': None}]
    for path, score in SCORES.items():
        row = {'path': str(root / path), 'score': score, 'size': [20, 20]}
        rows.append(row)
        heat = np.full((20, 20, 3), (0, 0, int(score * 200)), np.uint8)
        images = {
            root / path: np.full((20, 20), int(score * 100), np.uint8),
            out / f'overlays/{path}.png': heat,
        }
        for file, image in images.items():
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), image)
    head = {'model': {'kind': 'anomaly'}, 'root': str(root)}
    table = {**head, 'overlays': 'overlays', 'images': rows}
    (out / 'predictions.json').write_text(json.dumps(table))
    return out


def test_rows_are_images_and_heatmaps_from_both_ends(folder):
    sheet, paths = extremes(folder, count=2, side=20)
    assert paths == ['deep/b.png', 'd.png', 'c.png', 'a.png']
    middles = sheet[14::24, 14::24]
    assert middles.shape == (4, 2, 3)
    assert middles[0, :, 0].tolist() == [90, 70]
    assert middles[1, :, 2].tolist() == [180, 140]
    assert middles[2, :, 0].tolist() == [10, 40]
    assert middles[3, :, 2].tolist() == [20, 80]


def test_no_image_stands_at_both_ends_while_there_are_others(folder):
    _, paths = extremes(folder, count=9)
    assert sorted(paths) == sorted(SCORES)


def test_what_is_missing_is_named(folder):
    (folder / 'overlays' / 'c.png.png').unlink()
    with pytest.raises(FileNotFoundError, match=r'c\.png; predict without'):
        extremes(folder, count=2)
    file = folder / 'predictions.json'
    table = json.loads(file.read_text())
    row = {'path': 'a.png', 'size': [2, 2], 'label': 'dent', 'probability': 1}
    table |= {'model': {'kind': 'classifier'}, 'images': [row]}
    file.write_text(json.dumps(table))
    with pytest.raises(ValueError, match='got 1 of a classifier: predict'):
        extremes(folder)
