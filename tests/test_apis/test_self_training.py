"""Boxes of a detector joined to true labels."""

import json
import shutil
import sys
from typing import ClassVar

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope

from mmcvgssl.apis import self_train, self_training_text
from mmcvgssl.apis.self_training.detections import Detections, Detector
from mmcvgssl.datasets.coco_check import AnnotationError, check_coco
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.model_file import detector
from tests.boxes import SIDE, write_boxes
from tests.data import picture
from tests.test_model_file.test_fuzz_kinds import BOX_STEPS, DETECTOR

NAMES = ('a', 'b')


@pytest.fixture
def surface(tmp_path):
    """Write nine images, of which 0 and 1 have labels, and 8 is tested on."""
    root = tmp_path / 'images'
    root.mkdir()
    for i in range(9):
        picture(i, SIDE).save(root / f'{i}.png')
    write_boxes(tmp_path / 'labels.json', NAMES, 2)
    content = json.loads((tmp_path / 'labels.json').read_text())
    content['images'] = [{**content['images'][0], 'file_name': '8.png'}]
    content['annotations'] = content['annotations'][:1]
    (tmp_path / 'test.json').write_text(json.dumps(content))
    (tmp_path / 'model.safetensors').write_bytes(b'x')
    return tmp_path


class Found:
    """A detector that finds what a table says."""

    model: ClassVar[dict] = {'type': 'YOLODetector', '_scope_': 'mmyolo'}

    def __init__(self, table, asked):
        self.table, self.asked, self.reading = table, asked, {}

    def detect(self, root, paths, title):
        self.asked += [*paths]
        found = {}
        for path in paths:
            rows = self.table.get(path, [])
            boxes = [[10.0, 10, 40 + i, 50] for i in range(len(rows))]
            found[path] = Detections(
                (SIDE, SIDE),
                np.array(boxes).reshape(-1, 4),
                np.array([score for score, _ in rows]),
                np.array([label for _, label in rows], np.int64),
            )
        return found, {}


@pytest.fixture
def joined(surface, monkeypatch):
    """Join what a table says, by path: scores and labels."""
    asked = []

    def run(table, **options):
        asked.clear()
        monkeypatch.setattr(
            sys.modules['mmcvgssl.apis.self_training.self_train'],
            'Detector',
            lambda *_: Found(table, asked),
        )
        options.setdefault('exclude', surface / 'test.json')
        made = self_train(
            *(surface / 'model.safetensors', surface / 'images'),
            *(surface / 'labels.json', surface / 'out'),
            **options,
        )
        content = json.loads(made.file.read_text())
        names = {i['id']: i['file_name'] for i in content['images']}
        boxes = [
            (names[a['image_id']], a['category_id'], a['score'], a['iscrowd'])
            for a in content['annotations']
            if a.get('pseudo')
        ]
        return made, content, boxes, list(asked)

    return run


TABLE = {'3.png': [(0.9, 0), (0.4, 1)], '5.png': [(0.3, 1)], '6.png': []}


def test_believed_boxes_join_the_labels(surface, joined):
    made, content, boxes, asked = joined(TABLE, threshold=0.5)
    assert boxes == [('3.png', 1, 0.9, 0)]
    # neither images with labels nor those tested on are looked at
    assert asked == [f'{i}.png' for i in range(2, 8)]
    truth = json.loads((surface / 'labels.json').read_text())
    assert content['images'][:2] == truth['images']
    assert content['annotations'][:2] == truth['annotations']
    assert len(content['images']) == 3
    assert content['annotations'][2]['bbox'] == [10, 10, 30, 40]
    check_coco(made.file, surface / 'images').raise_problems()
    assert made.images == {
        **{'labelled': 2, 'searched': 6, 'boxed': 1, 'background': 0},
        **{'left_out': 5, 'copies': 0, 'tested': 1, 'not_read': 0},
    }
    assert made.classes['a']['boxes'] == 1
    text = self_training_text(made)
    assert '| a | 1 | 1 | 0.500 |  |  |' in text
    assert '1 images left out: are tested on' in text
    assert {p.name for p in (surface / 'out').iterdir()} == {
        *('annotations.json', 'report.json', 'boxes.jpg')
    }
    # other boxes do not overwrite these
    joined(TABLE, threshold=0.35)
    assert len([*(surface / 'out/earlier').iterdir()]) == 1


def test_images_without_a_box_join_where_nothing_is_suspected(joined):
    made, content, boxes, _ = joined(TABLE, threshold=0.5, background=0.2)
    assert [i['file_name'] for i in content['images'][2:]] == [
        *('2.png', '3.png', '4.png', '6.png', '7.png')
    ]
    assert made.images['left_out'] == 1  # what has a box of 0.3
    assert len(boxes) == 1


def test_copies_of_labelled_and_tested_images_are_left_out(surface, joined):
    images = surface / 'images'
    shutil.copy(images / '8.png', images / '3.png')
    shutil.copy(images / '0.png', images / '4.png')
    made, _, _, asked = joined({**TABLE, '6.png': [(0.8, 0)]}, threshold=0.5)
    assert made.images['copies'] == 2
    assert asked == ['2.png', '5.png', '6.png', '7.png']


def test_labelled_images_that_are_tested_on_are_refused(surface, joined):
    images = surface / 'images'
    shutil.copy(images / '8.png', images / '1.png')
    with pytest.raises(ValueError, match=r'1 image \(1\.png\) of 2 labelled'):
        joined(TABLE, threshold=0.5)
    held_out = json.loads((surface / 'labels.json').read_text())
    held_out['images'][1]['file_name'] = '8.png'
    (surface / 'part.json').write_text(json.dumps(held_out))
    picture(1, SIDE).save(images / '1.png')
    with pytest.raises(ValueError, match=r'8\.png\) of 2 .*part\.json'):
        joined(TABLE, held_out=[('model', surface / 'part.json')])


def test_doubtful_boxes_are_crowds_for_those_who_know_them(
    joined, monkeypatch
):
    with pytest.raises(ValueError, match='learns crowds as background'):
        joined(TABLE, threshold=0.5, ignore_from=0.2)
    assigner = {'type': 'MaxIoUAssigner', 'ignore_iof_thr': 0.5}
    known = {'type': 'FasterRCNN', 'train_cfg': {'assigner': assigner}}
    monkeypatch.setattr(Found, 'model', known)
    made, _, boxes, _ = joined(TABLE, threshold=0.5, ignore_from=0.2)
    assert boxes == [('3.png', 1, 0.9, 0), ('3.png', 2, 0.4, 1)]
    assert made.ignored == 1
    assert made.classes['b']['boxes'] == 0


def test_thresholds_are_of_held_out_labels(surface, joined):
    table = {'0.png': [(0.7, 0)], '1.png': [(0.6, 1)], '3.png': [(0.65, 1)]}
    part = surface / 'labels.json'
    with pytest.raises(ValueError, match='so none can be believed'):
        joined(table, held_out=[('model', part)])


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({}, 'got none'),
        ({'threshold': 0.5, 'held_out': [('m', 'f.json')]}, 'got both'),
        ({'threshold': 1.5}, r'a score in \[0.05, 1\], got 1.5'),
        ({'threshold': 0.5, 'precision': 0.5}, 'leave one of them out'),
        ({'threshold': 0.5, 'iou': 0}, r'ratios in \(0, 1\]'),
        ({'threshold': 0.5, 'background': 0}, 'background is a score'),
        ({'threshold': 0.95}, 'no box in 6 images reaches'),
        ({'threshold': 0.5, 'ignore_from': 2}, 'ignore-from is a score'),
    ],
)
def test_bad_options_are_refused(joined, options, expected):
    with pytest.raises(ValueError, match=expected):
        joined(TABLE, **options)


def test_boxes_of_a_detector_are_no_true_labels(surface, joined):
    made, *_ = joined(TABLE, threshold=0.5)
    shutil.copy(made.file, surface / 'labels.json')
    with pytest.raises(AnnotationError, match='got 1 boxes that a detector'):
        joined(TABLE, threshold=0.5)


def test_all_images_with_labels_are_refused(surface, joined):
    for i in range(2, 9):
        (surface / f'images/{i}.png').unlink()
    picture(8, SIDE).save(surface / 'images/8.png')
    with pytest.raises(ValueError, match='all with labels, tested on'):
        joined(TABLE, threshold=0.5)


@pytest.fixture
def model(surface):
    """Write a random detector to a model file."""
    torch.manual_seed(1)
    net = detector.build(DETECTOR, {'x': torch.ones(9999)}, 'ours')
    for weight in net.parameters():  # as it is built, it finds nothing
        torch.nn.init.normal_(weight, std=0.05)
    content = detector.to_file(net, DETECTOR, BOX_STEPS, NAMES, 0.3)
    content.write(surface / 'model.safetensors')
    yield surface / 'model.safetensors'
    DefaultScope._instance_dict.clear()


def test_a_real_detectors_boxes_can_be_learned_from(surface, model):
    (surface / 'images/7.png').write_bytes(b'broken')
    (surface / 'images/0.png').rename(surface / 'images/00.png')
    with pytest.raises(AnnotationError, match=r'0\.png'):
        self_train(
            *(model, surface / 'images', surface / 'labels.json'),
            *(surface / 'out',),
            threshold=0.05,
        )
    (surface / 'images/00.png').rename(surface / 'images/0.png')
    made = self_train(
        *(model, surface / 'images', surface / 'labels.json'),
        *(surface / 'out',),
        threshold=0.05,
        workers=0,
    )
    assert [*made.errors] == ['7.png']
    assert made.images['boxed'] > 0
    found = check_coco(made.file)
    found.raise_problems()
    assert sum(found.boxes.values()) == 2 + sum(
        own['boxes'] for own in made.classes.values()
    )
    for number, path in enumerate((surface / 'images').iterdir()):
        path.write_bytes(b'broken %d' % number)
    with pytest.raises(UnreadableImageError, match='none of 7 images'):
        self_train(
            *(model, surface / 'images', surface / 'labels.json'),
            *(surface / 'out',),
            threshold=0.05,
            workers=0,
        )


def test_classes_are_told_by_name(surface, model):
    own = Detector(model, ('b', 'a'), workers=0)
    theirs = Detector(model, NAMES, workers=0)
    paths = ['2.png', '3.png']
    here, _ = own.detect(surface / 'images', paths, '')
    there, _ = theirs.detect(surface / 'images', paths, '')
    for path in paths:
        assert len(here[path].labels)
        assert (here[path].labels == 1 - there[path].labels).all()
    with pytest.raises(ValueError, match='expected the same classes'):
        Detector(model, ('a', 'c'))
