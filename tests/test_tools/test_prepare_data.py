"""Lists made from data sets in their real layouts, with empty image files."""

import os
import runpy
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from mmpretrain.datasets import CustomDataset

import mmcvgssl  # noqa: F401
from mmcvgssl.datasets.preparation import (
    elpv,
    neu_cls,
    prepare_elpv,
    prepare_folder,
    prepare_neu_cls,
    prepare_x_sdd,
    stratified_split,
    x_sdd,
)
from tests.data import ROOT, touch

TOOL = ROOT / 'tools' / 'prepare_data.py'


def make_x_sdd(root: Path) -> Path:
    for i, name in enumerate(x_sdd.CLASSES):
        touch(root, *[f'{name}/{i}{k:03}.png' for k in range(4 + i)])
    return root


def make_neu_flat(root: Path) -> Path:
    short = ('Cr', 'In', 'Pa', 'PS', 'RS', 'Sc')
    return touch(root, *[f'{s}_{k}.bmp' for s in short for k in (1, 2, 3, 4)])


def make_neu_folders(root: Path) -> Path:
    names = ('Crazing', 'inclusion', 'Patches', 'pitted surface')
    names += ('rolled-in_scale', 'Sc')
    return touch(root, *[f'{n}/{k}.bmp' for n in names for k in (1, 2, 3, 4)])


def make_neu_det(root: Path) -> Path:
    for name in neu_cls.CLASSES:
        for k in (1, 2, 3, 4):
            touch(
                root, f'images/{name}_{k}.jpg', f'annotations/{name}_{k}.xml'
            )
    return root


CELLS = [
    *[('0.0', 'mono')] * 6,
    *[('0.0', 'poly')] * 4,
    *[('0.3333333333333333', 'mono')] * 2,
    *[('0.6666666666666666', 'poly')] * 2,
    *[('1.0', 'mono')] * 2,
    *[('1.0', 'poly')] * 4,
]


def make_elpv(root: Path) -> Path:
    data = root / 'elpv_dataset' / 'data'
    lines = []
    for i, (probability, cell) in enumerate(CELLS, 1):
        touch(data, f'images/cell{i:04}.png')
        lines.append(f'images/cell{i:04}.png  {probability}     {cell}\n')
    (data / 'labels.csv').write_text(''.join(lines))
    touch(root, 'elpv_dataset/__init__.py')
    return root


def make_folder(root: Path) -> Path:
    return touch(
        root,
        *[f'good parts/day {k % 2}/{k}.JPG' for k in range(6)],
        *[f'bad/{k}.png' for k in range(3)],
        'bad/notes.txt',
    )


def make_few_shot(root: Path) -> Path:
    return touch(
        root,
        'train/bad/a.png',
        'train/good/deep/b.png',
        'train/good/c.png',
        'test/bad/d.png',
        'test/good/e.png',
        'val/good/f.png',
    )


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def read(out: Path, split: str) -> list[tuple[str, int]]:
    pairs = [line.rsplit(' ', 1) for line in lines(out / f'{split}.txt')]
    return [(path, int(label)) for path, label in pairs]


def check_lists(prepared, n_images: int) -> None:
    """Hosts can read the lists; they divide the images without overlap."""
    out, root = prepared.out, prepared.data_root
    assert lines(out / 'classes.txt') == sorted(lines(out / 'classes.txt'))
    both = [read(out, split) for split in ('train', 'test')]
    assert both == [list(prepared.splits[s]) for s in ('train', 'test')]
    paths = [path for items in both for path, _ in items]
    assert len(paths) == len(set(paths)) == n_images
    assert all((root / path).is_file() for path in paths)
    unlabelled = lines(out / 'train_unlabelled.txt')
    assert unlabelled == [path for path, _ in both[0]]
    data = CustomDataset(
        data_root=str(root),
        ann_file=str((out / 'test.txt').resolve()),
        metainfo={'classes': lines(out / 'classes.txt')},
    )
    read_back = [
        (os.path.relpath(data[i]['img_path'], root), data[i]['gt_label'])
        for i in range(len(data))
    ]
    assert read_back == both[1]
    hidden = [p.name for p in out.iterdir() if p.name.startswith('.')]
    assert hidden == []


def counts(prepared, split: str) -> list[int]:
    found = Counter(label for _, label in prepared.splits[split])
    return [found[i] for i in range(len(prepared.classes))]


def test_x_sdd_draws_half_of_each_class(tmp_path):
    prepared = prepare_x_sdd(make_x_sdd(tmp_path))
    check_lists(prepared, n_images=49)
    assert prepared.out == tmp_path / 'mmcvgssl'
    assert counts(prepared, 'test') == [2, 3, 3, 4, 4, 5, 5]
    assert counts(prepared, 'train') == [2, 2, 3, 3, 4, 4, 5]
    for path, label in prepared.splits['train']:
        assert path.startswith(f'{x_sdd.CLASSES[label]}/')


def test_the_draw_is_fixed_by_the_seed(tmp_path):
    root = make_x_sdd(tmp_path)
    drawn = [prepare_x_sdd(root, seed=s).splits for s in (0, 0, 1)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


FIXED = {
    'train': [('iron sheet ash/1000.png', 1), ('red iron/4001.png', 4)],
    'test': [('iron sheet ash/1002.png', 1)],
}


def write_fixed(folder: Path, splits: dict) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, items in splits.items():
        text = ''.join(f'{p}\t{i}\n' for p, i in items)
        (folder / f'{name}.txt').write_text(text)
    return folder


@pytest.mark.parametrize('inside', [True, False])
def test_fixed_splits(tmp_path, inside):
    root = make_x_sdd(tmp_path / 'data')
    folder = write_fixed(root if inside else tmp_path / 'fixed', FIXED)
    prepared = prepare_x_sdd(root, splits=None if inside else folder)
    assert prepared.splits == FIXED
    assert lines(prepared.out / 'test.txt') == ['iron sheet ash/1002.png 1']
    assert lines(prepared.out / 'classes.txt') == list(x_sdd.CLASSES)


@pytest.mark.parametrize(
    ('splits', 'error', 'expected'),
    [
        ({'train': []}, FileNotFoundError, 'found no test.txt'),
        (
            {'train': [('iron sheet ash/1000.png', 2)], 'test': []},
            ValueError,
            'train.txt:1: expected class 1 of iron sheet ash/1000.png, got 2',
        ),
        (
            {'train': [('red iron/no.png', 4)], 'test': []},
            FileNotFoundError,
            'found no red iron/no.png',
        ),
        (
            {**FIXED, 'test': FIXED['train'][1:]},
            ValueError,
            'test.txt:1: red iron/4001.png stands in .*train.txt:2 too',
        ),
        (
            {'train': [('red iron/4001.png 4', '')], 'test': []},
            ValueError,
            'expected path, tab and class index',
        ),
    ],
)
def test_wrong_fixed_splits(tmp_path, splits, error, expected):
    root = write_fixed(make_x_sdd(tmp_path), splits)
    with pytest.raises(error, match=expected):
        prepare_x_sdd(root)
    assert not (root / 'mmcvgssl').exists()


def test_fixed_splits_are_not_overwritten(tmp_path):
    root = write_fixed(make_x_sdd(tmp_path), FIXED)
    before = (root / 'train.txt').read_text()
    with pytest.raises(ValueError, match='would overwrite the fixed split'):
        prepare_x_sdd(root, out=root)
    assert (root / 'train.txt').read_text() == before


def test_layout_errors_show_what_was_found(tmp_path):
    make_x_sdd(tmp_path)
    shutil.rmtree(tmp_path / 'red iron')
    with pytest.raises(ValueError, match='no images of red iron') as caught:
        prepare_x_sdd(tmp_path)
    expected, found = str(caught.value).split('Found in')
    assert '  red iron/*.png' in expected
    assert '  slag inclusion/\n' in found
    assert 'red iron' not in found
    with pytest.raises(ValueError, match=r'(?s)no images of crazing.*Cr_1'):
        prepare_neu_cls(tmp_path)
    with pytest.raises(FileNotFoundError, match='Expected the folder of a'):
        prepare_folder(tmp_path / 'none')


@pytest.mark.parametrize(
    'make', [make_neu_flat, make_neu_folders, make_neu_det]
)
def test_neu_layouts(tmp_path, make):
    prepared = prepare_neu_cls(make(tmp_path), test_fraction=0.25)
    check_lists(prepared, n_images=24)
    assert list(prepared.classes) == [
        'crazing',
        'inclusion',
        'patches',
        'pitted_surface',
        'rolled-in_scale',
        'scratches',
    ]
    assert counts(prepared, 'test') == [1] * 6
    starts = ('cr', 'in', 'pa', ('ps', 'pitted'), ('rs', 'rolled'), 'sc')
    for items in prepared.splits.values():
        for path, label in items:
            path = path.removeprefix('images/').lower()
            assert path.startswith(starts[label])


def test_neu_det_fixed_splits(tmp_path):
    fixed = {
        'train': [('images/crazing_1.jpg', 0), ('images/scratches_4.jpg', 5)],
        'test': [('images/rolled-in_scale_2.jpg', 4)],
    }
    root = write_fixed(make_neu_det(tmp_path), fixed)
    assert prepare_neu_cls(root).splits == fixed


def test_neu_names_images_left_out(tmp_path):
    touch(make_neu_flat(tmp_path), 'Xx_1.bmp')
    prepared = prepare_neu_cls(tmp_path)
    check_lists(prepared, n_images=24)
    assert '1 images of no NEU class left out: Xx_1.bmp' in prepared.summary()


@pytest.mark.parametrize('inner', ['', 'elpv_dataset', 'elpv_dataset/data'])
def test_elpv_certain_cells(tmp_path, inner):
    root, out = make_elpv(tmp_path / 'site'), tmp_path / 'lists'
    prepared = prepare_elpv(out, root / inner)
    check_lists(prepared, n_images=16)
    assert prepared.data_root.resolve() == root / 'elpv_dataset' / 'data'
    assert lines(out / 'classes.txt') == ['defective', 'functional']
    tested = {path for path, _ in prepared.splits['test']}
    unlabelled = lines(out / 'unlabelled.txt')
    assert len(unlabelled) == 12
    assert not tested & set(unlabelled)
    assert 'images/cell0011.png' in unlabelled


@pytest.mark.parametrize('seed', range(4))
def test_elpv_divides_each_class_and_cell_type(tmp_path, seed):
    root = make_elpv(tmp_path)
    prepared = prepare_elpv(tmp_path / 'out', root, seed=seed)
    for split in ('train', 'test'):
        strata = Counter(
            (label, CELLS[int(path[-8:-4]) - 1][1])
            for path, label in prepared.splits[split]
        )
        assert strata == {
            (1, 'mono'): 3,
            (1, 'poly'): 2,
            (0, 'mono'): 1,
            (0, 'poly'): 2,
        }


@pytest.mark.parametrize(
    ('options', 'classes', 'totals'),
    [
        ({'threshold': 0.5}, elpv.BINARY, [8, 12]),
        ({'threshold': 0.33}, elpv.BINARY, [10, 10]),
        ({'threshold': 1}, elpv.BINARY, [6, 14]),
        ({'labels': 'four'}, elpv.FOUR, [10, 2, 2, 6]),
    ],
)
def test_elpv_labels(tmp_path, options, classes, totals):
    root = make_elpv(tmp_path)
    prepared = prepare_elpv(tmp_path / 'out', root, **options)
    check_lists(prepared, n_images=20)
    assert prepared.classes == classes
    both = zip(
        counts(prepared, 'train'), counts(prepared, 'test'), strict=True
    )
    assert [a + b for a, b in both] == totals


def test_elpv_finds_the_installed_package(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'path', [str(make_elpv(tmp_path)), *sys.path])
    data = tmp_path / 'elpv_dataset' / 'data'
    assert elpv.find_elpv() == data
    monkeypatch.setattr(elpv, 'PACKAGE', 'no_such_package')
    with pytest.raises(ModuleNotFoundError, match='pip install elpv-dataset'):
        prepare_elpv(tmp_path / 'out')


@pytest.mark.parametrize(
    ('options', 'expected'),
    [
        ({'labels': 'three'}, "got 'three'"),
        ({'labels': 'four', 'threshold': 0.5}, 'divides two classes'),
        ({'threshold': 0}, 'above 0 and up to 1, got 0'),
        ({'test_fraction': 1}, 'between 0 and 1, got 1'),
    ],
)
def test_elpv_options(tmp_path, options, expected):
    with pytest.raises(ValueError, match=expected):
        prepare_elpv(tmp_path / 'out', make_elpv(tmp_path), **options)


@pytest.mark.parametrize(
    ('line', 'error', 'expected'),
    [
        ('images/cell0001.png 0.5 mono', ValueError, 'labels.csv:1: expected'),
        ('images/cell0001.png mono', ValueError, 'labels.csv:1: expected'),
        ('images/none.png 0.0 mono', FileNotFoundError, 'images/none.png'),
    ],
)
def test_elpv_broken_labels(tmp_path, line, error, expected):
    data = make_elpv(tmp_path) / 'elpv_dataset' / 'data'
    (data / 'labels.csv').write_text(line)
    with pytest.raises(error, match=expected):
        prepare_elpv(tmp_path / 'out', data)
    with pytest.raises(FileNotFoundError, match=r'Expected labels\.csv'):
        prepare_elpv(tmp_path / 'out', data / 'images')


@pytest.mark.parametrize('out', [None, 'lists', 'deep/lists'])
def test_folder_of_classes(tmp_path, out):
    make_folder(tmp_path)
    for _ in range(2):  # the lists of before are no class
        where = tmp_path / out if out else None
        prepared = prepare_folder(tmp_path, where)
        check_lists(prepared, n_images=9)
    assert prepared.classes == ['bad', 'good parts']
    assert counts(prepared, 'test') == [2, 3]
    images = {path for items in prepared.splits.values() for path, _ in items}
    assert 'good parts/day 1/3.JPG' in images


def test_folder_keeps_its_own_split(tmp_path):
    prepared = prepare_folder(make_few_shot(tmp_path))
    check_lists(prepared, n_images=5)
    assert prepared.splits == {
        'train': [
            ('train/bad/a.png', 0),
            ('train/good/c.png', 1),
            ('train/good/deep/b.png', 1),
        ],
        'test': [('test/bad/d.png', 0), ('test/good/e.png', 1)],
    }
    assert 'note: not used: val' in prepared.summary()


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        ([], 'found 0 class folders'),
        (['a.png', 'b.png'], 'found 0 class folders'),
        (['only/a.png', 'only/b.png'], 'found 1 class folders'),
        (['a/1.png', 'a/2.png', 'b/notes.txt'], 'found b has 0'),
        (['a/1.png', 'a/2.png', 'b/1.png'], 'found b has 1'),
        (['train/a/1.png', 'train/b/1.png', 'test/a/1.png'], 'found 1 class'),
        (
            [f'train/{c}/1.png' for c in 'abc']
            + [f'test/{c}/1.png' for c in 'ab'],
            'Only one of train and test has c',
        ),
    ],
)
def test_folder_errors_show_both_trees(tmp_path, names, expected):
    touch(tmp_path, *names)
    with pytest.raises(ValueError, match=expected) as caught:
        prepare_folder(tmp_path)
    _, trees = str(caught.value).split('\nExpected:\n')
    assert 'train/CLASS_A' in trees.split('Found in')[0]
    found = trees.split('Found in')[1]
    assert all(f'{n.split("/")[0]}' in found for n in names)
    assert names or 'nothing' in found


def test_a_folder_that_cannot_be_written(tmp_path):
    root = make_folder(tmp_path / 'data')
    touch(tmp_path, 'file')
    with pytest.raises(OSError, match=r'Choose another folder with --out'):
        prepare_folder(root, tmp_path / 'file' / 'out')


def test_stratified_split():
    strata = [*'aaaaaaaaaa', *'bb', 'c']
    train, test = stratified_split(strata, 0.1)
    assert sorted(train + test) == list(range(13))
    assert Counter(strata[i] for i in test) == {'a': 1, 'b': 1}
    train, test = stratified_split(strata, 0.9)
    assert Counter(strata[i] for i in train) == {'a': 1, 'b': 1, 'c': 1}
    with pytest.raises(ValueError, match=r'between 0 and 1, got 1\.5'):
        stratified_split(strata, 1.5)


def run_in_process(monkeypatch, *args: str | Path, code: int = 0) -> None:
    monkeypatch.setattr(sys, 'argv', ['prepare_data.py', *map(str, args)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(TOOL), run_name='__main__')
    assert end.value.code == code


MAKERS = {
    'x-sdd': make_x_sdd,
    'neu-cls': make_neu_flat,
    'elpv': make_elpv,
    'folder': make_folder,
}


@pytest.mark.parametrize('name', MAKERS)
def test_every_subcommand(tmp_path, monkeypatch, capsys, name):
    root, out = MAKERS[name](tmp_path / 'data'), tmp_path / 'out'
    args = ['--root', root] if name == 'elpv' else [root]
    run_in_process(monkeypatch, name, *args, '--out', out, '--seed', '3')
    printed = capsys.readouterr().out
    n_train, n_test = (len(read(out, s)) for s in ('train', 'test'))
    assert f'total {n_train:>3} {n_test:>3}'.split() in [
        row.split() for row in printed.splitlines()
    ]
    assert f'split_dir="{out}"' in printed


def test_command_line(tmp_path):
    root = make_folder(tmp_path / 'my data')
    path = os.pathsep.join([str(ROOT), os.environ.get('PYTHONPATH', '')])
    done = subprocess.run(
        [sys.executable, TOOL, 'folder', root, '--test-fraction', '0.34'],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [row.split() for row in done.stdout.splitlines()]
    assert ['bad', '2', '1'] in rows
    assert ['good', 'parts', '4', '2'] in rows
    assert f'data_root: {root}' in done.stdout
    assert len(read(root / 'mmcvgssl', 'test')) == 3


def test_errors_are_messages(tmp_path, monkeypatch, capsys):
    run_in_process(monkeypatch, 'x-sdd', tmp_path / 'none', code=1)
    said = capsys.readouterr().err
    assert said.startswith('\nERROR: Expected the folder')
    assert 'Traceback' not in said


def listed(out: Path) -> dict[str, str]:
    return {p.name: p.read_text() for p in out.glob('*.txt')}


@pytest.mark.parametrize('change', ['seed', 'fraction', 'image', 'hand'])
def test_lists_drawn_anew_are_kept_beside(tmp_path, change):
    root = make_x_sdd(tmp_path)
    out = prepare_x_sdd(root).out
    old, options = listed(out), {}
    if change == 'seed':
        options = {'seed': 1}
    elif change == 'fraction':
        options = {'test_fraction': 0.25}
    elif change == 'image':
        touch(root, f'{x_sdd.CLASSES[0]}/new.png')
    else:
        (out / 'train.txt').write_text('red iron/4001.png 4\n')
        old = listed(out)
    prepared = prepare_x_sdd(root, **options)
    assert read(out, 'train') == list(prepared.splits['train'])
    (earlier,) = (out / 'earlier').iterdir()
    assert listed(earlier) == old
    # once more: nothing is moved
    prepare_x_sdd(root, **options)
    assert [*(out / 'earlier').iterdir()] == [earlier]
    # the change undone: these come back, the others go
    if change == 'seed':
        new = listed(out)
        prepare_x_sdd(root)
        assert listed(out) == old
        (earlier,) = (out / 'earlier').iterdir()
        assert listed(earlier) == new


def test_few_images_of_an_earlier_draw_do_not_stay(tmp_path):
    root, out = make_x_sdd(tmp_path), tmp_path / 'lists'
    prepare_x_sdd(root, out)
    # of the user: no preparation writes one of these without the others
    own = {'mine.txt', 'train_10pct.json', 'good.txt', 'unlabelled.txt'}
    few = touch(out, 'train_05pct.txt', 'train_05pct.json', *own)
    prepare_x_sdd(root, out, seed=1)
    left = {path.name for path in few.iterdir()}
    assert {*own, 'earlier', 'train.txt'} <= left
    assert not left & {'train_05pct.txt', 'train_05pct.json'}
