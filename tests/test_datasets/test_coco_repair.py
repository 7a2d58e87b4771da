"""A repaired file passes the check that asked for the fix."""

import json

import numpy as np
import pytest
from PIL import ExifTags, Image

from mmcvgssl.datasets import coco_findings
from mmcvgssl.datasets.coco_check import AnnotationError, check_coco
from mmcvgssl.datasets.preparation import repair_boxes
from mmcvgssl.datasets.preparation.repair import FIXES
from mmcvgssl.datasets.transforms import read_image
from tests.boxes import write_boxes
from tests.data import picture


@pytest.fixture
def good(tmp_path):
    for i in range(6):
        picture(i, 128).save(tmp_path / f'{i}.png')
    return write_boxes(tmp_path / 'boxes.json', ('dent', 'chip'))


def boxes(file):
    return [a['bbox'] for a in json.loads(file.read_text())['annotations']]


def each(part, change):
    return lambda content: [change(entry) for entry in content[part]]


@pytest.mark.parametrize(
    ('edit', 'fix', 'first'),
    [
        (
            each('images', lambda i: i.update(width='128', height='128.0')),
            'numbers',
            [8, 20, 48, 40],
        ),
        (
            each('annotations', lambda a: a.pop('area')),
            'numbers',
            [8, 20, 48, 40],
        ),
        (
            each('annotations', lambda a: a.update(iscrowd=1)),
            'crowds',
            [8, 20, 48, 40],
        ),
        (
            each('annotations', lambda a: a.update(bbox=[60, 60, 100, 110])),
            'corners',
            [60, 60, 40, 50],
        ),
        (
            each('annotations', lambda a: a.update(bbox=[0.25, 0.5, 0.5, 1])),
            'shares',
            [32, 64, 64, 128],
        ),
        (
            each('annotations', lambda a: a.update(bbox=[100, -9, 60, 50])),
            'clip',
            [100, 0, 28, 41],
        ),
        (
            each(
                'annotations',
                lambda a: a.update(attributes={'rotation': 90.0}),
            ),
            'rotated',
            [12, 16, 40, 48],
        ),
    ],
)
def test_each_fix_mends_what_the_check_has_found(
    good, tmp_path, edit, fix, first
):
    content = json.loads(good.read_text())
    edit(content)
    if fix == 'shares':
        content['annotations'] = content['annotations'][:1]
        content['annotations'][0]['bbox'][3] = 0.4
        first = [32, 64, 64, 51.2]
    good.write_text(json.dumps(content))
    found = check_coco(good, tmp_path)
    assert found.fixes() == [fix]
    before = good.read_bytes()
    done = repair_boxes(good, tmp_path / 'new.json', [fix])
    assert not done.check.problems
    assert boxes(tmp_path / 'new.json')[0] == pytest.approx(first)
    assert done.counts[fix] >= 1
    assert f'{fix}: {done.counts[fix]} changed' in done.summary()
    assert good.read_bytes() == before


def test_numbers_as_text_stay_exact_and_finite(good, tmp_path):
    content = json.loads(good.read_text())
    long = 2**62 + 1
    content['images'][0]['id'] = long
    box = content['annotations'][0]
    texts = ['10', '1e999', 'nan', ' 2.5 ']
    box.update(image_id=str(long), bbox=texts, area='1_0', iscrowd='-0')
    good.write_text(json.dumps(content))
    repair_boxes(good, tmp_path / 'new.json', ['numbers'])
    text = (tmp_path / 'new.json').read_text()
    made = json.loads(text, parse_constant=pytest.fail)['annotations'][0]
    assert made['image_id'] == long
    assert made['bbox'] == [10, '1e999', 'nan', 2.5]
    assert (made['area'], made['iscrowd']) == ('1_0', 0)


def test_an_image_without_a_name_cannot_be_turned(good, tmp_path):
    content = json.loads(good.read_text())
    del content['images'][3]['file_name']
    good.write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=r'1 image \(3\).*file_name'):
        repair_boxes(good, tmp_path / 'new.json', ['orientation'])
    assert not (tmp_path / 'new.json').exists()


@pytest.mark.parametrize('turned', [5, 6, 7, 8])
def test_boxes_of_the_stored_frame_move_with_the_pixels(tmp_path, turned):
    image = np.zeros((96, 160, 3), np.uint8)
    image[20:50, 30:100] = 255
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turned
    Image.fromarray(image).save(tmp_path / '0.png', exif=exif)
    file = write_boxes(tmp_path / 'boxes.json', ('dent',), 1)
    content = json.loads(file.read_text())
    content['images'][0].update(width=160, height=96)
    content['annotations'][0].update(bbox=[30, 20, 70, 30], area=2100)
    file.write_text(json.dumps(content))
    found = check_coco(file, tmp_path, look='sizes')
    assert found.fixes() == ['orientation']
    repair_boxes(file, tmp_path / 'new.json', ['orientation'])
    assert not check_coco(
        tmp_path / 'new.json', tmp_path, look='pixels'
    ).problems
    ((x, y, w, h),) = boxes(tmp_path / 'new.json')
    rows, columns = np.nonzero(read_image(str(tmp_path / '0.png'))[..., 0])
    assert [x, y] == [columns.min(), rows.min()]
    assert [x + w, y + h] == [columns.max() + 1, rows.max() + 1]


def test_a_turned_box_is_held_by_the_upright_one(good, tmp_path):
    content = json.loads(good.read_text())
    content['annotations'][0]['attributes'] = {'rotation': 30}
    good.write_text(json.dumps(content))
    repair_boxes(good, tmp_path / 'new.json', ['rotated'])
    x, y, w, h = boxes(tmp_path / 'new.json')[0]
    angle = np.pi / 6
    turn = np.array(
        [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    )
    corners = np.array([[-24, -20], [24, -20], [24, 20], [-24, 20]])
    points = corners @ turn.T + [32, 40]
    assert points.min(0) == pytest.approx([x, y], abs=2e-3)
    assert points.max(0) == pytest.approx([x + w, y + h], abs=2e-3)


def test_the_check_names_fixes_that_exist():
    assert set(coco_findings._FIXES.values()) == set(FIXES)


def test_the_tool_writes_a_new_file_alone(good, tmp_path, tool):
    new = tmp_path / 'new.json'
    given = ('repair', good, '--out', new, '--fixes', 'crowds')
    code, out, _ = tool('prepare_data.py', *given)
    assert code == 0
    assert 'crowds: 0 changed' in out
    code, _, _ = tool('prepare_data.py', *given)
    assert code == 1  # it is there
    with pytest.raises(ValueError, match='fixes are some of numbers'):
        repair_boxes(good, tmp_path / 'x.json', ['all'])
