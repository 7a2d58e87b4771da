"""Trees of good and defective images: checked, divided and listed."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmcvgssl.datasets import OneClassDataset
from mmcvgssl.datasets.preparation import (
    prepare_magnetic_tile,
    prepare_mvtec,
)
from mmcvgssl.datasets.transforms import UnreadableImageError


def save(root: Path, name: str, size=(6, 4), value: int = 0, exif=None):
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.full(size[::-1], value, np.uint8))
    image.save(path, **({'exif': exif} if exif else {}))


def make_tiles(root: Path) -> Path:
    """Eight good tiles and five defective ones, masks beside most."""
    for i in range(8):
        save(root, f'MT_Free/Imgs/f{i}.jpg')
        if i % 2:
            save(root, f'MT_Free/Imgs/f{i}.png')
    for name, value in (('c1', 255), ('c2', 9), ('c3', 0)):
        save(root, f'MT_Crack/Imgs/{name}.jpg')
        save(root, f'MT_Crack/Imgs/{name}.png', value=value)
    save(root, 'MT_Fray/y1.jpg')
    save(root, 'MT_Fray/y1.png', value=1)
    save(root, 'MT_Fray/y2.jpg')
    return root


def make_mvtec(root: Path) -> Path:
    for k in range(3):
        save(root, f'cup/train/good/{k}.png')
    save(root, 'cup/test/good/0.png')
    for k in range(4):
        save(root, f'cup/test/crack/{k}.png')
    for k in (0, 1):
        save(root, f'cup/ground_truth/crack/{k}_mask.png', value=255)
    save(root, 'cup/ground_truth/crack/2_mask.png')
    save(root, 'cup/ground_truth/crack/7_mask.png', value=255)
    save(root, 'nut/train/ok/a.png')
    save(root, 'nut/test/bent/a.png')
    save(root, 'nut/ground_truth/bent/a.png', value=255)
    return root


def write_fixed(folder: Path, train: str, test: str | None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / 'train_good.txt').write_text(train)
    if test is not None:
        (folder / 'test.txt').write_text(test)
    return folder


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


# magnetic tiles

TRAIN = 'MT_Free/Imgs/f1.jpg\nMT_Free/Imgs/f2.jpg\n'
TEST = 'MT_Free/Imgs/f0.jpg\nMT_Crack/Imgs/c1.jpg\nMT_Fray/y1.jpg\n'
DEFECTS = {
    *[f'MT_Crack/Imgs/c{i}.jpg' for i in (1, 2, 3)],
    *[f'MT_Fray/y{i}.jpg' for i in (1, 2)],
}


@pytest.mark.parametrize('inside', [True, False])
def test_fixed_lists_of_tiles(tmp_path, inside):
    root = make_tiles(tmp_path / 'data')
    folder = root if inside else tmp_path / 'fixed'
    write_fixed(folder, TRAIN, TEST)
    prepared = prepare_magnetic_tile(root, splits=None if inside else folder)
    out = root / 'mmcvgssl'
    assert prepared.out == out
    assert lines(out / 'train.txt') == [f'{p} 0' for p in TRAIN.split()]
    expected = [f'{p} {i}' for p, i in zip(TEST.split(), '011', strict=True)]
    assert lines(out / 'test.txt') == expected
    assert lines(out / 'train_unlabelled.txt') == TRAIN.split()
    assert lines(out / 'classes.txt') == ['good', 'defect']
    assert not [p for p in out.iterdir() if p.name.startswith('.')]
    said = prepared.summary()
    rows = [row.split() for row in said.splitlines()]
    assert ['good', '2', '1'] in rows
    assert ['defect', '0', '2'] in rows
    assert 'note: test: 1 MT_Crack, 1 MT_Fray, 1 good' in said
    assert 'in no fixed list: 8 (' in said


@pytest.mark.parametrize(
    ('fraction', 'n_train'), [(0.5, 4), (0.25, 6), (0.9, 1)]
)
def test_tiles_are_divided_where_no_list_is_fixed(tmp_path, fraction, n_train):
    root = make_tiles(tmp_path)
    drawn = [
        prepare_magnetic_tile(root, test_fraction=fraction, seed=seed).splits
        for seed in (0, 0, 1, 2)
    ]
    assert drawn[0] == drawn[1]
    assert any(other != drawn[0] for other in drawn[2:])
    for splits in drawn:
        train, test = (dict(splits[name]) for name in ('train', 'test'))
        assert len(train) == n_train
        assert set(train.values()) == {0}
        assert not set(train) & set(test)
        assert {p for p, label in test.items() if label} == DEFECTS
        assert len(train) + len(test) == 13


def test_lists_of_tiles_can_be_read(tmp_path):
    root = make_tiles(tmp_path)
    prepare_magnetic_tile(root)
    kwargs = {'data_root': str(root), 'split_dir': 'mmcvgssl'}
    train = OneClassDataset(ann_file='train.txt', **kwargs)
    test = OneClassDataset(ann_file='test.txt', split='test', **kwargs)
    assert Counter(train.get_gt_labels().tolist()) == {0: 4}
    assert Counter(test.get_gt_labels().tolist()) == {0: 4, 1: 5}


def test_missing_and_empty_masks_are_said(tmp_path):
    said = prepare_magnetic_tile(make_tiles(tmp_path)).summary()
    assert '1 of 5 defective images have no mask: MT_Fray/y2.jpg' in said
    assert 'have an empty mask: MT_Crack/Imgs/c3.jpg' in said
    assert 'in no fixed list' not in said


@pytest.mark.parametrize(
    ('train', 'test', 'error', 'message'),
    [
        (TRAIN, None, FileNotFoundError, r'found no test\.txt\. Add it'),
        (TEST, TRAIN, ValueError, r'train_good\.txt:2: .*good images alone'),
        (TRAIN, TRAIN, ValueError, r'f1\.jpg stands in .*train_good\.txt too'),
        (
            'MT_Free/Imgs/f9.jpg',
            TEST,
            FileNotFoundError,
            r'found no MT_Free/Imgs/f9\.jpg',
        ),
        (TRAIN, 'MT_Crack/Imgs/c1.png', ValueError, r'c1\.png is a mask'),
        (TRAIN, 'MT_Crack/Imgs/c1.jpg 7', ValueError, r'test\.txt:1: expect'),
        (TRAIN, '\n', ValueError, r'test\.txt: no images'),
    ],
)
def test_wrong_lists_of_tiles(tmp_path, train, test, error, message):
    root = write_fixed(make_tiles(tmp_path), train, test)
    with pytest.raises(error, match=message):
        prepare_magnetic_tile(root)
    assert not (root / 'mmcvgssl').exists()


def test_fixed_lists_stay(tmp_path):
    root = write_fixed(make_tiles(tmp_path), TRAIN, TEST)
    with pytest.raises(ValueError, match='would overwrite the fixed ones'):
        prepare_magnetic_tile(root, out=root)
    assert (root / 'test.txt').read_text() == TEST
    with pytest.raises(FileNotFoundError, match=r'found no train_good\.txt'):
        prepare_magnetic_tile(root, splits=tmp_path / 'none')


@pytest.mark.parametrize(
    ('folders', 'message'),
    [
        (['MT_Crack'], 'no folder of good images'),
        (['MT_Free'], 'no defective images'),
        ([], 'no images'),
    ],
)
def test_trees_of_other_data_are_shown(tmp_path, folders, message):
    for name in folders:
        save(tmp_path, f'{name}/1.jpg')
        save(tmp_path, f'{name}/1.png')
    with pytest.raises(ValueError, match=message) as caught:
        prepare_magnetic_tile(tmp_path)
    expected, found = str(caught.value).split('Found in')
    assert 'MT_Free/**/*.jpg' in expected
    assert all(f'  {name}/\n' in found for name in folders)
    assert folders or 'nothing' in found


@pytest.mark.parametrize(
    ('name', 'kwargs', 'message'),
    [
        ('MT_Fray/y1.png', {'size': (4, 6)}, 'a mask of 6 x 4 .* got 4 x 6'),
        ('MT_Free/Imgs/f1.png', {'value': 1}, 'an empty mask .* got 24 pix'),
    ],
)
def test_masks_that_do_not_fit(tmp_path, name, kwargs, message):
    root = make_tiles(tmp_path)
    save(root, name, **kwargs)
    with pytest.raises(ValueError, match=message):
        prepare_magnetic_tile(root)


def test_masks_of_turned_images_fit(tmp_path):
    root = make_tiles(tmp_path)
    exif = Image.Exif()
    exif[0x0112] = 6
    save(root, 'MT_Fray/y1.jpg', size=(4, 6), exif=exif)
    assert prepare_magnetic_tile(root).splits['test']
    for name in ('MT_Fray/y1.jpg', 'MT_Fray/y1.png'):
        (root / name).write_bytes(b'broken')
        with pytest.raises(UnreadableImageError, match=name):
            prepare_magnetic_tile(root)


# MVTec-style trees


def test_mvtec_counts_and_missing_masks(tmp_path):
    root = make_mvtec(tmp_path)
    before = sorted(root.rglob('*'))
    prepared = prepare_mvtec(root)
    assert sorted(root.rglob('*')) == before
    assert prepared.out is None
    rows = [row.split() for row in prepared.summary().splitlines()]
    assert rows[:4] == [
        ['train', 'good', 'defective', 'no', 'mask'],
        ['cup', '3', '1', '4', '1'],
        ['nut', '1', '0', '1', '0'],
        ['total', '4', '1', '5', '1'],
    ]
    assert list(prepared.notes) == [
        'cup: 1 mask (cup/ground_truth/crack/7_mask.png) of no image: a mask '
        'has the name of its image and _mask.png or .png',
        'cup: 1 of 4 defective images have no mask: cup/test/crack/3.png',
        'cup: 1 of 4 defective images have an empty mask: '
        'cup/test/crack/2.png',
    ]
    last = prepared.summary().splitlines()[-1]
    assert last == f'use: --cfg-options data_root="{root.resolve()}"'


def test_mvtec_of_some_categories_or_one(tmp_path):
    root = make_mvtec(tmp_path)
    assert prepare_mvtec(root, ['nut']).classes == ['nut']
    inner = prepare_mvtec(root / 'cup')
    assert inner.classes == ['cup']
    assert ('test/good/0.png', 0) in inner.splits['good']
    assert '1 mask (ground_truth/crack/7_mask.png) of no' in inner.notes[0]


@pytest.mark.parametrize(
    ('categories', 'message'),
    [(['pot'], 'no category pot'), ([], r'no images in .*bad/test\.')],
)
def test_mvtec_errors_show_both_trees(tmp_path, categories, message):
    root = make_mvtec(tmp_path)
    save(root, 'bad/train/good/1.png')
    with pytest.raises(ValueError, match=message) as caught:
        prepare_mvtec(root, categories)
    expected, found = str(caught.value).split('Found in')
    assert 'CATEGORY/ground_truth/DEFECT/*_mask.png' in expected
    assert '  cup/\n' in found
    with pytest.raises(FileNotFoundError, match='Expected the folder of a'):
        prepare_mvtec(root / 'none')


# the tool


def test_subcommands(tmp_path, tool):
    tiles, out = make_tiles(tmp_path / 'tiles'), tmp_path / 'out'
    options = ['--out', out, '--seed', 3, '--test-fraction', '0.25']
    code, said, _ = tool('prepare_data.py', 'magnetic-tile', tiles, *options)
    assert code == 0
    assert ['total', '6', '7'] in [row.split() for row in said.splitlines()]
    assert f'split_dir="{out}"' in said
    root = make_mvtec(tmp_path / 'mvtec')
    code, said, _ = tool('prepare_data.py', 'mvtec', root)
    assert code == 0
    assert 'lists:' not in said
    code, said, _ = tool(
        'prepare_data.py', 'mvtec', root, '--categories', 'nut', 'cup'
    )
    assert said.splitlines()[1].split() == ['nut', '1', '0', '1', '0']
    code, _, said = tool('prepare_data.py', 'mvtec', tiles)
    assert code == 1
