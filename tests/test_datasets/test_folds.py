"""Folds of a COCO file."""

import json

import pytest

from mmcvgssl.datasets.coco_check import AnnotationError, check_coco
from mmcvgssl.datasets.copies import copies_of
from mmcvgssl.datasets.preparation import PREPARATIONS, draw_folds
from tests.boxes import write_boxes
from tests.data import picture


def names(file) -> list[str]:
    content = json.loads(file.read_text())
    ids = {image['id'] for image in content['images']}
    assert {box['image_id'] for box in content['annotations']} <= ids
    return [image['file_name'] for image in content['images']]


@pytest.mark.parametrize(('folds', 'count'), [(2, 6), (3, 7), (5, 9)])
def test_each_image_is_held_out_once(tmp_path, folds, count):
    file = write_boxes(tmp_path / 'all.json', ('a', 'b'), count)
    made = draw_folds(file, tmp_path / 'out', folds)
    held = []
    for number in range(1, folds + 1):
        rest = names(tmp_path / f'out/train_{number}.json')
        own = names(tmp_path / f'out/held_out_{number}.json')
        assert sorted(rest + own) == sorted(names(file))
        assert made.images[number - 1] == (len(rest), len(own))
        check_coco(tmp_path / f'out/train_{number}.json').raise_problems()
        held += own
    assert sorted(held) == sorted(names(file))
    assert f'held_out_{folds}.json' in made.summary()
    assert made.as_dict()['out'] == tmp_path / 'out'


def test_categories_are_spread_evenly(tmp_path):
    file = write_boxes(tmp_path / 'all.json', ('a', 'b', 'c'), 9)
    draw_folds(file, tmp_path / 'out', 3, seed=5)
    for number in range(1, 4):
        part = (tmp_path / f'out/held_out_{number}.json').read_text()
        found = [a['category_id'] for a in json.loads(part)['annotations']]
        assert sorted(found) == [1, 2, 3]


def test_files_of_other_folds_move_away(tmp_path):
    file = write_boxes(tmp_path / 'all.json', ('a',), 6)
    draw_folds(file, tmp_path / 'out', 3)
    first = (tmp_path / 'out/train_1.json').read_bytes()
    draw_folds(file, tmp_path / 'out', 2)
    assert not (tmp_path / 'out/train_3.json').exists()
    (aside,) = (tmp_path / 'out/earlier').iterdir()
    assert (aside / 'train_1.json').read_bytes() == first
    draw_folds(file, tmp_path / 'out', 3)
    assert (tmp_path / 'out/train_1.json').read_bytes() == first


def test_what_the_command_has_not_written_stays(tmp_path):
    file = write_boxes(tmp_path / 'train_10pct.json', ('a',), 6)
    own = ['held_out_mine.json', 'train_7.json', 'train_line2.json']
    for name in own:
        (tmp_path / name).write_text('{}')
    for seed, folds in enumerate((3, 2, 2)):
        draw_folds(file, tmp_path, folds, seed)
    there = {path.name for path in tmp_path.glob('*.json')}
    pairs = {
        f'{part}_{k}.json' for part in ('train', 'held_out') for k in '12'
    }
    assert there == {*own, *pairs, file.name}
    for source in (tmp_path / 'train_2.json', tmp_path / 'held_out_2.json'):
        before = source.read_bytes()
        with pytest.raises(ValueError, match=r'would replace .*_2\.json'):
            draw_folds(source, tmp_path, 2)
        assert source.read_bytes() == before


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'folds': 1}, '--folds: expected 2 or more, got 1'),
        ({'folds': 7}, 'has 6 images, fewer than 7'),
        ({'seed': -1}, '--seed: expected 0 or more'),
    ],
)
def test_numbers_out_of_range_are_refused(tmp_path, options, expected):
    file = write_boxes(tmp_path / 'all.json', ('a', 'b'), 6)
    with pytest.raises(ValueError, match=expected):
        draw_folds(file, tmp_path / 'out', **options)
    assert not (tmp_path / 'out').exists()


def test_files_that_are_wrong_are_refused(tmp_path):
    file = write_boxes(tmp_path / 'all.json', ('a', 'b'), 6)
    content = json.loads(file.read_text())
    content['annotations'] = content['annotations'][:1]
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match='would have no box'):
        draw_folds(file, tmp_path / 'out', 2)
    content['annotations'][0]['bbox'] = [0, 0]
    file.write_text(json.dumps(content))
    with pytest.raises(AnnotationError):
        draw_folds(file, tmp_path / 'out', 2)
    assert 'folds' in PREPARATIONS


def test_copies_have_the_content_and_not_the_name(tmp_path):
    contents = {'a': b'1', 'b': b'2', 'c': b'1', 'd': b'3', 'e': b'2'}
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
    found = copies_of(tmp_path, ['a', 'gone'], ['a', 'b', 'c', 'd', 'e'])
    assert found == ['c']
    assert copies_of(tmp_path, [], ['b', 'e']) == []


def test_copies_stand_in_one_fold(tmp_path):
    file = write_boxes(tmp_path / 'all.json', ('a', 'b'), 8)
    for i in range(8):
        # each image twice, but for the last, which is missing
        picture(i // 2).save(tmp_path / f'{i}.png')
    (tmp_path / '7.png').unlink()
    apart = draw_folds(file, tmp_path / 'out', 2, seed=1)
    one = names(tmp_path / 'out/held_out_1.json')
    first = [f'{i}.png' in one for i in range(6)]
    assert first[::2] != first[1::2]  # the draw alone parts some of them
    draw_folds(file, tmp_path / 'near', 2, seed=1, root=tmp_path)
    sides = {}
    for number in (1, 2):
        for name in names(tmp_path / f'near/held_out_{number}.json'):
            sides[int(name.removesuffix('.png'))] = number
    assert sorted(sides) == list(range(8))
    assert [sides[i] for i in (0, 2, 4)] == [sides[i] for i in (1, 3, 5)]
    # where nothing is alike, the draw stays
    for i in range(8):
        picture(i).save(tmp_path / f'{i}.png')
    again = draw_folds(file, tmp_path / 'again', 2, seed=1, root=tmp_path)
    assert again.images == apart.images
    for part in ('train_1.json', 'held_out_2.json'):
        expected = (tmp_path / 'out' / part).read_bytes()
        assert (tmp_path / 'again' / part).read_bytes() == expected
