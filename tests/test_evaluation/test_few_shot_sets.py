"""Labelled images for training and testing that do not go together."""

import pytest
from mmengine.logging import MMLogger

from mmcvgssl.datasets import SurfaceImages
from mmcvgssl.evaluation.few_shot.sets import check_sets
from tests.data import picture


def write(root, names) -> None:
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(i).save(root / name)


def make(root, **kwargs) -> SurfaceImages:
    return SurfaceImages(
        str(root),
        with_label=True,
        min_classes=1,
        serialize_data=False,
        **kwargs,
    )


IMAGES = ['a/1.png', 'a/2.png', 'b/3.png', 'b/4.png']
LISTS = [
    ('a/1.png 0\nb/3.png 1', 'a/2.png 0\nb/4.png 1', None),
    ('a/1.png 0\nb/3.png 1', 'a/2.png 0', None),
    (
        'a/1.png 0\nb/3.png 1',
        'a/2.png 0\n./b/3.png 1\na/link.png 0',
        r'2 images \(.*b/3\.png, .*a/link\.png\) of 3',
    ),
    # counted from 1, or with a gap
    ('a/1.png 1\nb/3.png 2', 'a/2.png 1\nb/4.png 2', 'class 0; classes count'),
    ('a/1.png 0\nb/3.png 2', 'a/2.png 0', 'class 1; classes count from 0'),
    ('a/1.png 0\nb/3.png 1', 'a/2.png 0\nb/4.png 2', r'classes \[2\] of the'),
]


@pytest.mark.parametrize(('train', 'test', 'message'), LISTS)
def test_lists(tmp_path, train, test, message):
    write(tmp_path, IMAGES)
    (tmp_path / 'a/link.png').symlink_to(tmp_path / 'a/1.png')
    (tmp_path / 'train.txt').write_text(train)
    (tmp_path / 'test.txt').write_text(test)
    sets = [
        make(tmp_path, ann_file=f'{part}.txt') for part in ('train', 'test')
    ]
    if message is None:
        check_sets(*sets)
        return
    with pytest.raises(ValueError, match=message):
        check_sets(*sets)


@pytest.mark.parametrize(
    ('test', 'message'),
    [
        (['a/5.png', 'b/6.png'], None),
        (['b/5.png', 'c/6.png'], r'are a, b and .* on b, c: their'),
        (['a/5.png'], r'are a, b and .* on a: their indices'),
    ],
)
def test_class_folders(tmp_path, test, message):
    write(tmp_path / 'train', IMAGES)
    write(tmp_path / 'test', test)
    sets = [make(tmp_path, data_prefix=part) for part in ('train', 'test')]
    if message is None:
        check_sets(*sets)
        return
    with pytest.raises(ValueError, match=message):
        check_sets(*sets)


def test_lists_of_other_classes(tmp_path):
    write(tmp_path, IMAGES)
    sets = []
    for part, names in (('train', 'a\nb\n'), ('test', 'b\na\n')):
        (tmp_path / part).mkdir()
        lines = 'a/1.png 0\nb/3.png 1' if part == 'train' else 'b/4.png 0'
        (tmp_path / part / 'list.txt').write_text(lines)
        (tmp_path / part / 'classes.txt').write_text(names)
        file = str(tmp_path / part / 'list.txt')
        sets.append(make(tmp_path, ann_file=file))
    with pytest.raises(ValueError, match=r'are a, b and of .* on b, a: their'):
        check_sets(*sets)
    # a list without names is taken by its indices
    (tmp_path / 'test/classes.txt').unlink()
    check_sets(sets[0], make(tmp_path, ann_file=file))


def test_copies_under_other_names_are_warned_of(tmp_path, monkeypatch):
    write(tmp_path / 'train', IMAGES)
    write(tmp_path / 'test', ['b/5.png', 'a/6.png'])  # the first is a/1.png
    lines = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'warning', lines.append)
    check_sets(*(make(tmp_path, data_prefix=p) for p in ('train', 'test')))
    other_class, copy = lines
    assert 'test/b/5.png = ' in other_class
    assert 'of another class have the very same content' in other_class
    assert 'test/a/6.png = ' in copy
    assert 'content of training images: figures are too high' in copy
