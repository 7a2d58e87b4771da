"""Good and defective images into labelled and unlabelled lists."""

from collections import Counter
from pathlib import Path, PurePosixPath

import pytest

from mmcvgssl.datasets import OneClassDataset, SurfaceImages
from mmcvgssl.datasets.preparation import prepare_one_class_to_simclr
from tests.data import picture

# images by category and folder
TREE = {
    'cup/train/good': 20,
    'cup/test/good': 10,
    'cup/test/crack': 10,
    'cup/test/dent': 5,
    'nut/train/good': 10,
    'nut/test/good': 10,
    'nut/test/bent': 20,
}
TOTAL = sum(TREE.values())
FILES = {
    *('train.txt', 'test.txt', 'good.txt', 'anomaly.txt', 'classes.txt'),
    *('unlabelled.txt', 'train_unlabelled.txt'),
}


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / 'data'
    for folder, count in TREE.items():
        (root / folder).mkdir(parents=True)
        for i in range(count):
            picture(i, 8).save(root / folder / f'{i:02d}.png')
    for name in ('crack', 'dent'):
        masks = root / 'cup/ground_truth' / name
        masks.mkdir(parents=True)
        for i in range(TREE[f'cup/test/{name}']):
            picture(i, 8, 'L').save(masks / f'{i:02d}_mask.png')
    return root


def read(out: Path, name: str) -> list[str]:
    return (out / f'{name}.txt').read_text().splitlines()


def labelled(out: Path, name: str) -> dict[str, int]:
    rows = [line.rsplit(' ', 1) for line in read(out, name)]
    return {path: int(label) for path, label in rows}


def kind(path: str) -> tuple[str, str]:
    """Return category and defect."""
    parts = PurePosixPath(path).parts
    return parts[0], parts[2]


def test_the_lists_divide_all_images(tree, tmp_path):
    before = sorted(tree.rglob('*'))
    out = tmp_path / 'out'
    prepare_one_class_to_simclr(tree, out)
    assert sorted(tree.rglob('*')) == before
    assert {path.name for path in out.iterdir()} == FILES
    assert read(out, 'classes') == ['good', 'anomaly']
    train, test = labelled(out, 'train'), labelled(out, 'test')
    unlabelled = read(out, 'unlabelled')
    every = [*train, *test, *unlabelled]
    assert len(every) == len(set(every)) == TOTAL
    assert all((tree / path).is_file() for path in every)
    assert not any('ground_truth' in path for path in every)
    for path, label in {**train, **test}.items():
        assert label == (kind(path)[1] != 'good')
    assert read(out, 'good') == [p for p, label in train.items() if not label]
    assert read(out, 'anomaly') == [p for p, label in train.items() if label]
    assert read(out, 'train_unlabelled') == sorted([*train, *unlabelled])


@pytest.mark.parametrize(
    ('fraction', 'test_fraction'), [(0.2, 0.5), (0.4, 0.5), (0.6, 0.25)]
)
def test_each_kind_of_defect_is_divided_alike(
    tree, tmp_path, fraction, test_fraction
):
    prepare_one_class_to_simclr(
        tree,
        tmp_path / 'out',
        unlabelled_fraction=fraction,
        test_fraction=test_fraction,
    )
    counts = Counter()
    for folder, count in TREE.items():
        counts[kind(f'{folder}/0')] += count
    found = {
        name: Counter(kind(line) for line in read(tmp_path / 'out', name))
        for name in ('unlabelled', 'test')
    }
    for which, count in counts.items():
        rest = count - found['unlabelled'][which]
        assert abs(found['unlabelled'][which] - fraction * count) <= 0.5
        assert abs(found['test'][which] - test_fraction * rest) <= 0.5


def test_the_seed_fixes_the_draw(tree, tmp_path):
    drawn = []
    for i, seed in enumerate((0, 0, 1)):
        out = tmp_path / str(i)
        prepare_one_class_to_simclr(tree, out, seed=seed)
        drawn.append({name: (out / name).read_text() for name in FILES})
    assert drawn[0] == drawn[1]
    for name in FILES - {'classes.txt'}:
        assert drawn[0][name] != drawn[2][name]


def test_the_data_sets_read_the_lists(tree):
    prepare_one_class_to_simclr(tree, categories=['cup'])
    kwargs = {'data_root': str(tree), 'split_dir': 'mmcvgssl'}
    out = tree / 'mmcvgssl'
    plain = SurfaceImages(ann_file='train_unlabelled.txt', **kwargs)
    assert len(plain) == len(read(out, 'train_unlabelled'))
    for name in ('train', 'test'):
        with_labels = SurfaceImages(
            ann_file=f'{name}.txt', with_label=True, **kwargs
        )
        assert {*map(int, with_labels.get_gt_labels())} == {0, 1}
    good = OneClassDataset(ann_file='good.txt', category='cup', **kwargs)
    assert len(good) == len(read(out, 'good')) > 0
    every = read(out, 'train_unlabelled') + read(out, 'test')
    assert {kind(path)[0] for path in every} == {'cup'}
    assert len(every) == 45


def test_folders_of_classes_will_do(tmp_path):
    for name, count in (('good', 6), ('rust', 5)):
        (tmp_path / name).mkdir()
        for i in range(count):
            picture(i, 8).save(tmp_path / name / f'{i}.png')
    prepared = prepare_one_class_to_simclr(tmp_path)
    sizes = {name: len(items) for name, items in prepared.splits.items()}
    assert sizes == {'train': 4, 'test': 5, 'unlabelled': 2}


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'unlabelled_fraction': 0}, 'unlabelled images between 0 and 1'),
        ({'unlabelled_fraction': 1.0}, 'unlabelled images between 0 and 1'),
        ({'test_fraction': 1.5}, 'a test fraction between 0 and 1'),
        ({'categories': ['pot']}, 'no category pot'),
    ],
)
def test_wrong_options(tree, kwargs, message):
    with pytest.raises(ValueError, match=message):
        prepare_one_class_to_simclr(tree, **kwargs)
    assert not (tree / 'mmcvgssl').exists()


@pytest.mark.parametrize(
    ('n_good', 'n_bad', 'message'),
    [(9, 0, '0 defective training'), (9, 1, '0 defective test')],
)
def test_both_classes_are_needed(tmp_path, n_good, n_bad, message):
    for folder, count in (('train/good', n_good), ('test/rust', n_bad)):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(count):
            picture(i, 8).save(tmp_path / folder / f'{i}.png')
    (tmp_path / 'test/good').mkdir()
    picture(0, 8).save(tmp_path / 'test/good/0.png')
    with pytest.raises(ValueError, match=message):
        prepare_one_class_to_simclr(tmp_path)


def test_the_subcommand(tree, tmp_path, tool):
    args = ['one-class-to-simclr', tree, '--out', tmp_path / 'out']
    args += ['--unlabelled-fraction', 0.4, '--seed', 3]
    code, said, _ = tool('prepare_data.py', *args, '--test-fraction', 0.5)
    assert code == 0
    rows = [line.split() for line in said.splitlines()]
    assert ['train', 'test', 'unlabelled'] in rows
    assert ['good', '15', '15', '20'] in rows
    content = Counter(labelled(tmp_path / 'out', 'train').values())
    assert content[0] == 15
    code, _, said = tool('prepare_data.py', *args, '--categories', 'pot')
    assert code == 1
