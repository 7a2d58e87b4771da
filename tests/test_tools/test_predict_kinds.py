"""tools/predict.py with classifiers and detectors."""

import copy
import csv
import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from mmcvgssl.apis.prediction.boxes import draw_boxes
from mmcvgssl.apis.prediction.captions import can_write, class_colour
from mmcvgssl.model_file import classifier, detector
from mmcvgssl.registry import MODELS
from tests.data import CONFIGS, picture
from tests.test_model_file.test_fuzz_kinds import (
    BOX_STEPS,
    CLASSIFIER,
    DETECTOR,
    STEPS,
)

NAMES = ['dent', '裂纹']
TILE = CONFIGS / 'anomaly/cutpaste/untrained_lite0_folder.py'


@pytest.fixture
def folder(tmp_path):
    """Write three pictures of different shapes, and a broken one."""
    images = tmp_path / 'images'
    images.mkdir()
    for i, width in enumerate((90, 60, 75)):
        picture(i, 90).resize((width, 90)).save(images / f'{i}.png')
    (images / 'broken.png').write_bytes(b'no image')
    return images


@pytest.fixture
def file(tmp_path):
    """Write a tiny model of a kind."""

    def write(kind: str, steps=None) -> str:
        torch.manual_seed(0)
        path = tmp_path / f'{kind}.safetensors'
        if kind == 'classifier':
            config = dict(copy.deepcopy(CLASSIFIER), init_backbone=False)
            model = MODELS.build(config)
            classifier.to_file(model, CLASSIFIER, STEPS, NAMES).write(path)
        else:
            config = copy.deepcopy(DETECTOR)
            config['data_preprocessor']['std'] = [255.0] * 3
            net = detector.build(config, {'x': torch.ones(9999)}, 'ours')
            steps = steps or BOX_STEPS
            detector.to_file(net, config, steps, NAMES).write(path)
        DefaultScope._instance_dict.clear()
        return str(path)

    yield write
    DefaultScope._instance_dict.clear()


def tables(out):
    rows = list(csv.DictReader((out / 'predictions.csv').open()))
    return rows, json.loads((out / 'predictions.json').read_text())


def test_a_classifier_names_classes(folder, file, tool, tmp_path):
    out = tmp_path / 'out'
    code, said, err = tool(
        'predict.py', file('classifier'), folder, '--out', out
    )
    assert code == 0, err
    rows, content = tables(out)
    assert [*rows[0]] == [
        *('path', 'label', 'probability', 'probabilities', 'error'),
    ]
    assert content['classes'] == NAMES
    for row, image in zip(rows, content['images'], strict=True):
        if 'broken' in row['path']:
            assert row['label'] == ''
            assert 'broken.png' in row['error']
            continue
        shares = image['probabilities']
        assert list(shares) == NAMES
        assert sum(shares.values()) == pytest.approx(1)
        assert image['probability'] == max(shares.values())
        assert shares[image['label']] == image['probability']
        assert json.loads(row['probabilities']) == shares
        assert row['label'] == image['label']
    drawn = cv2.imread(str(out / 'overlays' / '0.png.png'))
    plain = cv2.imread(str(folder / '0.png'))
    changed = (drawn != plain).any(axis=2)
    assert changed[:8].any()
    assert not changed[40:].any()
    assert '1 not read' in said


@pytest.mark.parametrize('reader', ['mmcvgssl', 'mmengine'])
def test_a_detector_finds_boxes(folder, file, tool, tmp_path, reader):
    steps = copy.deepcopy(BOX_STEPS)
    if reader == 'mmengine':
        steps[0]['type'] = 'mmengine.LoadImageFromFile'
    path, out = file('detector', steps), tmp_path / 'out'
    args = ('predict.py', path, folder, '--out', out, '--threshold', 0.0)
    code, said, err = tool(*args)
    assert code == 0, err
    rows, content = tables(out)
    assert [*rows[0]] == [
        *('path', 'count', 'label', 'score', 'boxes', 'error'),
    ]
    assert content['score_threshold'] == 0.0
    results = json.loads((out / content['coco']['file']).read_text())
    found = []
    for image_id, image in enumerate(content['images'], 1):
        if 'broken' in image['path']:
            assert image['boxes'] is None
            assert 'broken.png' in image['error']
            continue
        scores = [box['score'] for box in image['boxes']]
        assert image['count'] == len(scores)
        assert scores == sorted(scores, reverse=True)
        assert all(score >= 0.0 for score in scores)
        for box in image['boxes']:
            x1, y1, x2, y2 = box['box']
            found.append(
                {
                    'image_id': image_id,
                    'category_id': 1 + NAMES.index(box['label']),
                    'bbox': [x1, y1, x2 - x1, y2 - y1],
                    'score': box['score'],
                }
            )
    assert results == found
    assert found
    assert f'{len(found)} boxes' in said
    # the same, whichever images are beside it
    alone = tmp_path / 'alone'
    args = ('predict.py', path, folder / '1.png', '--out', alone)
    assert tool(*args, '--threshold', 0.0)[0] == 0
    (own,) = tables(alone)[1]['images']
    (same,) = [i for i in content['images'] if i['path'].endswith('1.png')]
    assert own['boxes'] == same['boxes']
    code, said, err = tool(*args, '--threshold', 0.99)
    assert code == 0, err
    assert tables(alone)[1]['images'][0]['boxes'] == []
    assert 'no box' in said


@pytest.mark.parametrize(
    ('kind', 'options', 'said'),
    [
        ('classifier', ['--threshold', 0.5], 'has no threshold'),
        ('detector', ['--threshold', 1.5], 'in [0, 1]'),
        ('classifier', ['--map'], 'makes no maps'),
        ('detector', ['--map'], 'makes no maps'),
        ('detector', ['--config', TILE], 'leave --config out'),
    ],
)
def test_options_of_another_kind_are_refused(
    folder, file, tool, tmp_path, kind, options, said
):
    out = tmp_path / 'out'
    args = ('predict.py', file(kind), folder, '--out', out, *options)
    code, _, err = tool(*args)
    assert code == 1
    assert said in err
    assert not (out / 'predictions.json').exists()


def test_boxes_lie_where_they_are_in_a_smaller_picture():
    small = np.zeros((50, 100, 3), np.uint8)
    frames = [([40.0, 60.0, 120.0, 90.0], 'dent 0.50', (0, 255, 0))]
    drawn = draw_boxes(small, (100, 200), frames=frames)
    green = (drawn == (0, 255, 0)).all(axis=2)
    rows, columns = np.nonzero(green[31:])
    assert columns.min() == 20
    assert columns.max() == 59
    assert rows.max() + 31 == 44
    assert not small.any()
    assert len({class_colour(i) for i in range(20)}) == 20
    assert can_write('Kratzer, é, щ')
    assert not can_write('裂纹')


def test_a_list_names_the_images(folder, file, tool, tmp_path):
    listed = tmp_path / 'lists' / 'some.txt'
    listed.parent.mkdir()
    listed.write_text('2.png\t1\n0.png\t0\ngone.png\n')
    out, path = tmp_path / 'out', file('classifier')
    args = ('predict.py', path, listed, '--out', out)
    code, said, err = tool(*args, '--root', folder)
    assert code == 0, err
    rows, found = tables(out)
    names = ['0.png', '2.png', 'gone.png']
    assert [row['path'] for row in rows] == [str(folder / n) for n in names]
    assert [bool(row['label']) for row in rows] == [True, True, False]
    assert 'gone.png' in rows[2]['error']
    assert (out / 'overlays/2.png.png').is_file()
    assert found['root'] == str(folder)
    assert '3 images' in said

    for text, more, logged in (
        ('../x.png', ['--root', folder], 'set --root to a folder above'),
        ('0.png', ['--root', folder / 'gone'], '--root: no folder'),
        ('', [], 'one path a line'),
    ):
        listed.write_text(text)
        code, _, err = tool(*args, *more)
        assert code == 1
        assert logged in err.rpartition('ERROR: ')[2]
    args = ('predict.py', path, folder, '--out', out, '--root', folder)
    code, _, err = tool(*args)
    assert code == 1
    assert 'is none: leave it out' in err
