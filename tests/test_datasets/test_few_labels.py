"""A few labels of a COCO file: so many images a class, whole, by the seed."""

import json
from collections import Counter

import pytest

from mmcvgssl.datasets.coco_check import check_coco
from mmcvgssl.datasets.coco_file import AnnotationError, first_categories
from mmcvgssl.datasets.preparation import draw_few_labels

COUNTS = {'dent': 20, 'rust': 12, 'chip': 5}


@pytest.fixture
def file(tmp_path):
    """Write boxes: two an image, the second of another class; 4 good ones."""
    names = [*COUNTS]
    classes = [n for n, count in COUNTS.items() for _ in range(count)]
    images = [
        {'id': 7 * i, 'file_name': f'{i}.png', 'width': 40, 'height': 40}
        for i in range(len(classes) + 4)
    ]
    boxes = []
    for i, name in enumerate(classes):
        first = names.index(name)
        for k, category in enumerate((first, (first + 1) % 3)):
            boxes.append(
                {
                    **{'id': 2 * i + k, 'image_id': 7 * i, 'iscrowd': 0},
                    **{'category_id': 3 + category, 'area': 64},
                    'bbox': [4 + 9 * k, 4, 8, 8],
                }
            )
    content = {
        **{'info': {'description': 'größer'}, 'images': images},
        'annotations': boxes,
        'categories': [{'id': 3 + i, 'name': n} for i, n in enumerate(names)],
    }
    path = tmp_path / 'train.json'
    path.write_text(json.dumps(content))
    return path


def drawn(file, **options):
    out = file.parent / 'few.json'
    made = draw_few_labels(file, out, **options)
    return made, json.loads(out.read_text())


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'shots': 1}, [1, 1, 1, 0]),
        ({'shots': 5, 'good': 3}, [5, 5, 5, 3]),
        ({'share': 0.1}, [2, 1, 1, 0]),
        ({'share': 0.5, 'good': 4}, [10, 6, 2, 4]),
        ({'share': 0.01}, [1, 1, 1, 0]),
    ],
)
def test_each_class_has_its_images_with_all_boxes(file, options, expected):
    whole = json.loads(file.read_text())
    made, content = drawn(file, **options)
    counts = Counter(first_categories(content))
    assert [counts[key] for key in (3, 4, 5, None)] == expected
    assert [n for n, _ in made.images.values()] == expected[:3]
    assert [of for _, of in made.images.values()] == [*COUNTS.values()]
    assert made.good == (expected[3], 4)
    # images are whole, and as they were
    ids = {image['id'] for image in content['images']}
    for part, key in (('images', 'id'), ('annotations', 'image_id')):
        assert content[part] == [e for e in whole[part] if e[key] in ids]
    assert content['categories'] == whole['categories']
    assert content['info'] == whole['info']
    assert made.boxes == len(content['annotations'])
    check_coco(file.parent / 'few.json').raise_problems()
    assert f'{len(content["images"])} images' in made.summary()


def test_the_seed_alone_decides(file):
    parts = [drawn(file, shots=5, seed=seed)[1] for seed in (0, 0, 1)]
    assert parts[0] == parts[1] != parts[2]
    # the first of the three is kept
    earlier = list((file.parent / 'earlier').rglob('few.json'))
    assert [json.loads(f.read_text()) for f in earlier] == [parts[0]]


def test_listed_images_have_their_boxes(file, tmp_path):
    listed = tmp_path / 'selected.txt'
    # in the order of worth; with a class behind; one twice; a good one
    listed.write_text('33.png\n2.png\t0\n0.png\n2.png\n38.png\n\n')
    made, content = drawn(file, images=listed)
    names = [image['file_name'] for image in content['images']]
    assert names == ['0.png', '2.png', '33.png', '38.png']
    assert made.images == {'dent': (2, 20), 'rust': (0, 12), 'chip': (1, 5)}
    assert made.good == (1, 4)
    assert made.boxes == len(content['annotations']) == 6
    whole = json.loads(file.read_text())
    assert content['categories'] == whole['categories']


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('', 'such as 0.png, got none'),
        ('0.png\nimages/1.png\n', r'got 1 other \(images/1.png\): list'),
        ('a\nb\nc\nd\n', r'got 4 others \(a, b, c, ...\)'),
    ],
)
def test_lists_of_others_are_refused(file, tmp_path, text, said):
    listed = tmp_path / 'selected.txt'
    listed.write_text(text)
    with pytest.raises(ValueError, match=said):
        drawn(file, images=listed)
    assert not (tmp_path / 'few.json').exists()


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        ({}, '--shots, --share or --images'),
        ({'shots': 2, 'share': 0.5}, '--shots, --share or --images'),
        ({'shots': 2, 'images': 'a.txt'}, '--shots, --share or --images'),
        ({'images': 'a.txt', 'good': 1}, '--good and --seed are of a draw'),
        ({'images': 'a.txt', 'seed': 1}, '--good and --seed are of a draw'),
        ({'images': 'a.txt'}, 'found no file a.txt'),
        ({'shots': 0}, '1 or more images, got 0'),
        ({'share': 1.0}, r'in \(0, 1\), got 1.0'),
        ({'shots': 1, 'good': -1}, '--good: expected 0 or more'),
        ({'shots': 1, 'good': 5}, 'expected 5 images without a box'),
        ({'shots': 6}, 'chip is that of the first box of 5'),
    ],
)
def test_what_cannot_be_drawn_is_said(file, options, said):
    with pytest.raises((OSError, ValueError), match=said):
        drawn(file, **options)
    assert not (file.parent / 'few.json').exists()


def test_a_faulty_file_and_the_file_itself_are_refused(file):
    with pytest.raises(ValueError, match='is the file that is drawn from'):
        draw_few_labels(file, file, shots=1)
    content = json.loads(file.read_text())
    content['annotations'][0]['image_id'] = 5
    file.write_text(json.dumps(content))
    with pytest.raises(AnnotationError):
        drawn(file, shots=1)
