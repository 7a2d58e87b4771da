"""Odd values in a file of boxes are findings or one sentence, never more."""

import json
from contextlib import suppress
from copy import deepcopy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmcvgssl.datasets.coco_check import AnnotationError, check_coco
from mmcvgssl.datasets.preparation import check_boxes
from tests.boxes import write_boxes
from tests.data import picture


@pytest.fixture
def good(tmp_path):
    for i in range(6):
        picture(i, 128).save(tmp_path / f'{i}.png')
    return write_boxes(tmp_path / 'boxes.json', ('dent', 'chip'))


def change(file, edit) -> None:
    written = json.loads(file.read_text())
    edit(written)
    file.write_text(json.dumps(written))


def of_all(part, **values):
    def edit(written):
        for entry in written[part]:
            entry.update(values)

    return edit


def of_one(part, place=0, **values):
    return lambda written: written[part][place].update(values)


BOX = 'boxes that are not [x, y, width, height]'
CROWDS = 'boxes that are crowds, or to be ignored'
SIZE = 'widths and heights that are no whole numbers above 0'
FORM = 'boxes that are [left, top, right, bottom]'
TABLE = [
    (of_all('images', width='128', height='128'), SIZE, "'128' x '128'"),
    (of_one('images', width=0), SIZE, '0.png, 0 x 128'),
    (of_one('images', height=-4), SIZE, '128 x -4'),
    (of_one('images', width=127.5), SIZE, '127.5 x 128'),
    (of_one('images', width=None), SIZE, 'None x 128'),
    (of_one('images', width=True), SIZE, 'True x 128'),
    (of_one('images', width=1e400), SIZE, 'inf x 128'),
    (of_one('images', width=10**400), SIZE, 'x 128'),
    (of_one('images', file_name=7), 'file_names that are no text', '7'),
    (of_one('images', file_name=''), 'file_names that are no text', "''"),
    (of_one('images', file_name=None), 'file_names that are no text', 'None'),
    (of_one('images', file_name='img\\0.png'), 'missing images', 'write / '),
    (of_one('images', file_name='x' * 300), 'missing images', 'xxx'),
    (of_one('images', file_name='\ud800.png'), 'missing images', 'ud800'),
    (of_one('images', file_name='a\0b.png'), 'missing images', 'x00'),
    (of_one('images', file_name='a\nb.png'), 'missing images', 'a\\nb'),
    (of_one('images', file_name='..'), 'missing images', '..'),
    (
        of_one('images', file_name='0.PNG'),
        'missing images',
        'is 0.png meant, in another case?',
    ),
    (
        of_one('images', file_name='x/0%2Epng'),
        'missing images',
        'is 0.png meant?',
    ),
    (
        of_one('images', id='0'),
        'ids that are no whole numbers in images',
        "entry 0 of images: '0'",
    ),
    (
        of_one('images', id=True),
        'ids that are no whole numbers in images',
        'True',
    ),
    (
        of_one('annotations', id=[1]),
        'ids that are no whole numbers in annotations',
        '[1]',
    ),
    (
        of_one('annotations', id=2**70),
        'ids that are no whole numbers in annotations',
        '1180591620717411303424',
    ),
    (
        of_one('categories', id=None),
        'ids that are no whole numbers in categories',
        'None',
    ),
    (of_one('categories', name=1), 'names that are no text', '1'),
    (of_one('categories', name='  '), 'names that are no text', "'  '"),
    (of_one('annotations', image_id='0'), 'boxes without an image', "'0'"),
    (of_one('annotations', image_id=None), 'boxes without an image', 'None'),
    (of_one('annotations', image_id={}), 'boxes without an image', '{}'),
    (of_one('annotations', category_id=None), 'unknown categories', 'None'),
    (of_one('annotations', category_id=[]), 'unknown categories', '[]'),
    (of_one('annotations', bbox='1 2 3 4'), BOX, "'1 2 3 4'"),
    (of_one('annotations', bbox=None), BOX, 'None'),
    (of_one('annotations', bbox=['1', 2, 3, 4]), BOX, "['1', 2, 3, 4]"),
    (of_one('annotations', bbox=[1, 2, 3, 4, 5]), BOX, '[1, 2, 3, 4, 5]'),
    (of_one('annotations', bbox=[1, 2, 3, True]), BOX, 'True'),
    (of_one('annotations', bbox=[1, 2, 3, None]), BOX, 'None'),
    (of_one('annotations', bbox=[1, 2, 3, 10**400]), BOX, '[1, 2, 3, 10'),
    (of_one('annotations', bbox=[1, 2, 3, 1e400]), BOX, 'inf'),
    (of_one('annotations', area='9'), 'areas that are no numbers', "'9'"),
    (of_one('annotations', area=None), 'areas that are no numbers', 'None'),
    (
        of_one('annotations', iscrowd='0'),
        'iscrowd that is neither 0 nor 1',
        "'0'",
    ),
    (
        of_one('annotations', ignore='no'),
        'ignore that is neither 0 nor 1',
        "'no'",
    ),
    (
        of_all('annotations', iscrowd=1),
        CROWDS,
        '6 of 6: detectors learn nothing',
    ),
    (of_all('annotations', ignore=1), CROWDS, '6 of 6: detectors'),
    (
        lambda h: [a.update(iscrowd=1) for a in h['annotations'][::2]],
        CROWDS,
        '3 of 6',
    ),
    (
        lambda h: (
            [a.update(category_id=1) for a in h['annotations']],
            h['annotations'][1].update(category_id=2, iscrowd=1),
        ),
        'classes whose boxes are all crowds, or to be ignored',
        'chip, 1 boxes',
    ),
    (
        of_one('annotations', attributes={'rotation': 37.5}),
        'rotated boxes',
        'annotation 0: rotation 37.5 degrees',
    ),
    (of_one('annotations', rotation=-90), 'rotated boxes', '-90 degrees'),
    (
        of_one('annotations', attributes={'rotation': 'a bit'}),
        'rotations that are no numbers',
        'write degrees',
    ),
    (of_one('annotations', bbox_mode=0), 'boxes of another bbox_mode', '0'),
    (of_one('annotations', bbox_mode=[]), 'boxes of another bbox_mode', '[]'),
    (
        of_one('annotations', segmentation='m.png'),
        'segmentations that are neither polygons nor RLE',
        'm.png',
    ),
    (
        of_one('annotations', segmentation={'size': [1, 2]}),
        'segmentations that are neither polygons nor RLE',
        'size',
    ),
    (
        lambda h: [
            a.update(bbox=[60 + i, 60, 100 + i, 110])
            for i, a in enumerate(h['annotations'])
        ],
        FORM,
        '6 of 6 stick out of their image, and as corners 6 of 6 lie within',
    ),
    (
        lambda h: [
            a.update(bbox=[8, 20, 56, 60], area=48 * 40)
            for a in h['annotations']
        ],
        FORM,
        'the areas of 6 of 6 are those between corners',
    ),
    (
        of_all('annotations', bbox=[0.5, 0.4, 0.2, 0.1], area=0.02),
        'boxes that are shares of the image',
        'multiply by width and height',
    ),
    (
        lambda h: h['annotations'].append(None),
        'annotations that are no objects',
        'entry 6 of annotations: None',
    ),
    (
        lambda h: h['images'].append([1]),
        'images that are no objects',
        'entry 6 of images: [1]',
    ),
    (
        lambda h: h['annotations'][1].pop('bbox'),
        'annotations without the key bbox',
        'entry 1 of annotations',
    ),
    (
        lambda h: h['images'][1].pop('file_name'),
        'images without the key file_name',
        'entry 1 of images',
    ),
]


@pytest.mark.parametrize(('edit', 'kind', 'line'), TABLE)
def test_an_odd_value_is_a_finding(good, tmp_path, edit, kind, line):
    change(good, edit)
    found = check_coco(good, tmp_path, look='pixels')
    assert any(line in said for said in found.problems[kind])
    with pytest.raises(AnnotationError) as caught:
        found.raise_problems(most=None)
    assert str(caught.value).encode()  # can be printed


@pytest.mark.parametrize(
    ('edit', 'note'),
    [
        (
            lambda h: h['annotations'][0].update(keypoints=[1, 2, 2]),
            'keypoints, which no detector here reads: 1 (annotation 0: ',
        ),
        (
            lambda h: h['annotations'][0].update(
                segmentation={'counts': [9], 'size': [64, 128]}
            ),
            'masks of another size than their image: 1 (annotation 0: ',
        ),
        (
            lambda h: h['annotations'][0].update(
                segmentation=[[90, 90, 120, 90, 120, 120]]
            ),
            'boxes that are not around their outlines: 1 (annotation 0: ',
        ),
        (
            lambda h: h['annotations'].append(
                {**h['annotations'][0], 'id': 9}
            ),
            'boxes that stand twice: 1 (annotations 0 and 9)',
        ),
        (
            lambda h: h['annotations'].append(
                {**h['annotations'][0], 'id': 9, 'category_id': 2}
            ),
            'boxes of two categories: 1 (annotations 0 and 9)',
        ),
        (
            lambda h: h['categories'][1].update(name='Dent '),
            'names of categories that differ by case, spaces or form of '
            "Unicode alone: 1 ('dent' and 'Dent ')",
        ),
        (
            lambda h: h['categories'].append({'id': 9, 'name': 'hole'}),
            'categories without a box: 1 (hole)',
        ),
        (
            lambda h: [
                a.update(bbox=[20, 20, 30 + i, 30])
                for i, a in enumerate(
                    h['annotations'].extend(
                        [
                            {**h['annotations'][0], 'id': 20 + i}
                            for i in range(9)
                        ]
                    )
                    or h['annotations']
                )
            ],
            'boxes that may be [left, top, right, bottom]: 1 (all 15 are',
        ),
    ],
)
def test_what_training_may_go_on_with_is_a_note(good, tmp_path, edit, note):
    change(good, edit)
    found = check_coco(good, tmp_path)
    assert not found.problems
    (line,) = found.note_lines()
    assert line.startswith(note)
    assert f'note: {line}' in found.summary()


def test_a_box_that_sticks_out_does_not_make_corners_of_all(good):
    # as corners all lie within, but the areas are those of COCO's form
    change(good, of_one('annotations', bbox=[70, 70, 80, 90], area=7200))
    (kind,) = check_coco(good).problems
    assert kind == 'boxes outside their image'


def test_the_check_names_images_that_the_file_does_not(good, tmp_path):
    picture(9, 128).save(tmp_path / 'new.png')
    (tmp_path / '5.png').write_bytes((tmp_path / '0.png').read_bytes())
    logged = check_boxes(good).summary()
    assert f'{tmp_path} that the file does not name: 1 (new.png)' in logged
    assert 'note: images of the same content: 1 (0.png = 5.png)' in logged


@pytest.mark.parametrize(
    ('data', 'match'),
    [
        (b'', 'expected a COCO file .* JSONDecodeError'),
        (b'[]', r'expected a COCO file .* it holds \[\]'),
        (b'"text"', 'expected a COCO file'),
        (b'{"images": null}', 'images is None'),
        (b'{"images": {}, "annotations": []}', r'images is \{\}'),
        (b'{"images": []}', 'annotations is missing'),
        (b'{"images": [], "images": []}', "'images' stands twice"),
        (b'\xef\xbb\xbf{}', 'byte order mark.*save it as UTF-8'),
        ('{}'.encode('utf-16'), 'UTF-16.*save it as UTF-8'),
        ('{}'.encode('utf-32'), 'UTF-32.*save it as UTF-8'),
        (b'{"\xff": 1}', '0xff at 2: save it as UTF-8'),
        (b'[' * 100_000, 'expected a COCO file .* RecursionError'),
        (b'{"images": [' + b'9' * 5000 + b']}', 'expected a COCO file'),
        (b'{"images": [', 'expected a COCO file'),
    ],
)
def test_what_is_no_coco_file_is_said_in_a_sentence(tmp_path, data, match):
    file = tmp_path / 'boxes.json'
    file.write_bytes(data)
    with pytest.raises(AnnotationError, match=match):
        check_coco(file)


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, 2**63, -1, 0]),
    st.floats(),
    st.text(st.characters(exclude_categories=()), max_size=5),
    st.lists(st.integers() | st.none() | st.text(max_size=2), max_size=5),
    st.dictionaries(st.sampled_from(['rotation', 'size', 'x']), st.floats()),
)
KEYS = {
    'images': ('id', 'file_name', 'width', 'height'),
    'annotations': (
        *('id', 'image_id', 'category_id', 'bbox', 'area', 'iscrowd'),
        *('segmentation', 'attributes', 'bbox_mode', 'ignore', 'keypoints'),
    ),
    'categories': ('id', 'name'),
}
PLACES = st.one_of(
    *(
        st.tuples(st.just(part), st.integers(0, 5), st.sampled_from(keys))
        for part, keys in KEYS.items()
    )
)


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(st.lists(st.tuples(PLACES, ODD), min_size=1, max_size=4), st.booleans())
def test_no_value_anywhere_ends_in_a_crash(good, tmp_path, edits, whole):
    """Mutate the file; a clean bill means that the host reads it, too."""
    written = json.loads(good.read_text())
    mutated = deepcopy(written)
    for (part, place, key), value in edits:
        entries = mutated[part]
        if whole:
            entries[place % len(entries)] = value
        elif isinstance(entries[place % len(entries)], dict):
            entries[place % len(entries)][key] = value
    file = tmp_path / 'mutated.json'
    file.write_text(json.dumps(mutated))
    with suppress(AnnotationError):
        logged = check_boxes(file, tmp_path).summary()
        assert logged.encode()
