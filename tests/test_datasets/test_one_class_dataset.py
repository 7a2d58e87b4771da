"""Good and defective images in every layout, walked and listed."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from mmengine.runner import Runner
from PIL import Image

from mmcvgssl.apis import load_config
from mmcvgssl.datasets import OneClassDataset, TooManyUnreadableError
from mmcvgssl.datasets.transforms import UnreadableImageError
from mmcvgssl.registry import DATASETS
from tests.data import CONFIGS, picture, touch, with_data_set

SIDE = 20
LOADERS = CONFIGS / '_base_/loaders/one_class.py'


def draw(root: Path, *names: str, width: int = SIDE) -> Path:
    """Write pictures, twenty high."""
    for i, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(i, max(SIDE, width)).crop((0, 0, width, SIDE)).save(path)
    return root


def draw_masks(root: Path, *names: str, width: int = SIDE) -> Path:
    """Write masks with a defect of 2 x 3 pixels and a grey edge."""
    for name in names:
        mask = np.zeros((SIDE, width), np.uint8)
        mask[4:6, 3:6], mask[4, 6] = 255, 9
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    return root


def plant(root: Path, *names: str) -> Path:
    """Write tiles, whose masks are PNG files, and touch what is no tile."""
    for name in names:
        if not name.startswith('MT_'):
            touch(root, name)
        elif name.lower().endswith('.png'):
            draw_masks(root, name)
        else:
            draw(root, name)
    return root


MVTEC = (
    'cup/train/good/000.png',
    'cup/train/good/001.PNG',
    'cup/test/good/000.png',
    'cup/test/crack/000.png',
    'cup/test/crack/more/007.png',
    'cup/test/dirt/000.png',
    'cup/ground_truth/crack/000_mask.png',
    'cup/ground_truth/crack/more/007.png',
    'cup/readme.txt',
    'nut/train/OK/a.bmp',
    'nut/train/OK/b.bmp',
    'nut/train/odd/c.bmp',
    'nut/test/ok/a.bmp',
    'nut/test/bent/a.bmp',
    'nut/ground_truth/bent/a.png',
    'licences/nut.png',
)
TILES = (
    'MT_Free/Imgs/f1.jpg',
    'MT_Free/Imgs/f1.png',
    'MT_Free/Imgs/f2.jpg',
    'MT_Free/Imgs/f3.jpg',
    'MT_Crack/Imgs/c1.jpg',
    'MT_Crack/Imgs/c1.png',
    'MT_Crack/Imgs/c2.JPG',
    'MT_Crack/Imgs/c2.PNG',
    'MT_Fray/y1.jpg',
)


def make(root: Path, **kwargs) -> OneClassDataset:
    # to serialise a list collects all garbage, which takes its time
    return OneClassDataset(data_root=str(root), serialize_data=False, **kwargs)


def rows(data_set: OneClassDataset, root: Path) -> list[tuple]:
    """Return path, label, category, defect and mask of each image."""

    def short(path):
        return (
            None if path is None else Path(path).relative_to(root).as_posix()
        )

    infos = [data_set.get_data_info(i) for i in range(len(data_set))]
    return [
        (
            short(info['img_path']),
            info['gt_label'],
            info['category'],
            info['defect'],
            short(info['mask_path']),
        )
        for info in infos
    ]


def write_list(root: Path, text: str, name: str = 'list.txt') -> str:
    (root / 'lists').mkdir(exist_ok=True)
    (root / 'lists' / name).write_text(text)
    return f'lists/{name}'


# MVTec-style trees

CUP_TEST = [
    (
        'cup/test/crack/000.png',
        1,
        'cup',
        'crack',
        'cup/ground_truth/crack/000_mask.png',
    ),
    (
        'cup/test/crack/more/007.png',
        1,
        'cup',
        'crack',
        'cup/ground_truth/crack/more/007.png',
    ),
    ('cup/test/dirt/000.png', 1, 'cup', 'dirt', None),
    ('cup/test/good/000.png', 0, 'cup', 'good', None),
]
NUT_TEST = [
    ('nut/test/bent/a.bmp', 1, 'nut', 'bent', 'nut/ground_truth/bent/a.png'),
    ('nut/test/ok/a.bmp', 0, 'nut', 'good', None),
]


@pytest.mark.parametrize('layout', ['auto', 'mvtec'])
def test_mvtec_tree_of_all_categories(tmp_path, layout):
    touch(tmp_path, *MVTEC)
    train = make(tmp_path, layout=layout)
    assert rows(train, tmp_path) == [
        ('cup/train/good/000.png', 0, 'cup', 'good', None),
        ('cup/train/good/001.PNG', 0, 'cup', 'good', None),
        ('nut/train/OK/a.bmp', 0, 'nut', 'good', None),
        ('nut/train/OK/b.bmp', 0, 'nut', 'good', None),
    ]
    test = make(tmp_path, layout=layout, split='test')
    assert rows(test, tmp_path) == CUP_TEST + NUT_TEST
    assert (train.test_mode, test.test_mode) == (False, True)
    assert test.CLASSES == ('good', 'defect')
    assert test.get_gt_labels().tolist() == [1, 1, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ('kwargs', 'expected'),
    [
        ({'categories': ['nut']}, NUT_TEST),
        ({'categories': 'nut'}, NUT_TEST),
        ({'categories': ['nut', 'cup']}, NUT_TEST + CUP_TEST),
        ({'category': 'cup'}, CUP_TEST),
        ({'category': ['cup', 'nut']}, CUP_TEST + NUT_TEST),
        ({'category': ''}, CUP_TEST + NUT_TEST),
    ],
)
def test_mvtec_categories_are_chosen(tmp_path, kwargs, expected):
    touch(tmp_path, *MVTEC)
    assert rows(make(tmp_path, split='test', **kwargs), tmp_path) == expected


def test_mvtec_root_may_be_one_category(tmp_path, monkeypatch):
    root = touch(tmp_path, *MVTEC) / 'cup'
    inner = [
        (
            path.removeprefix('cup/'),
            *logged,
            mask and mask.removeprefix('cup/'),
        )
        for path, *logged, mask in CUP_TEST
    ]
    assert rows(make(root, split='test'), root) == inner
    named = make(root, split='test', category='cup')
    assert rows(named, root) == inner
    monkeypatch.chdir(root)
    assert make('.').get_data_info(0)['category'] == 'cup'


def test_mvtec_tree_without_ground_truth(tmp_path):
    touch(tmp_path, *[name for name in MVTEC if 'ground' not in name])
    masks = [row[-1] for row in rows(make(tmp_path, split='test'), tmp_path)]
    assert masks == [None] * 6


def test_mvtec_lists_take_a_part_of_the_tree(tmp_path):
    touch(tmp_path, *MVTEC)
    text = f'{NUT_TEST[0][0]}\n\n{CUP_TEST[3][0]} 0\n./{CUP_TEST[0][0]}\t1\n'
    listed = make(tmp_path, split='test', ann_file=write_list(tmp_path, text))
    expected = [NUT_TEST[0], CUP_TEST[3], CUP_TEST[0]]
    assert rows(listed, tmp_path) == expected


# masks beside images

FRAY = ('MT_Fray/y1.jpg', 1, '', 'MT_Fray', None)
TILES_TEST = [
    ('MT_Crack/Imgs/c1.jpg', 1, '', 'MT_Crack', 'MT_Crack/Imgs/c1.png'),
    ('MT_Crack/Imgs/c2.JPG', 1, '', 'MT_Crack', 'MT_Crack/Imgs/c2.PNG'),
    FRAY,
    ('MT_Free/Imgs/f1.jpg', 0, '', 'good', 'MT_Free/Imgs/f1.png'),
    ('MT_Free/Imgs/f2.jpg', 0, '', 'good', None),
    ('MT_Free/Imgs/f3.jpg', 0, '', 'good', None),
]


@pytest.mark.parametrize('layout', ['auto', 'mask-beside'])
def test_masks_beside_images_are_no_images(tmp_path, layout, warned):
    plant(tmp_path, *TILES)
    train = make(tmp_path, layout=layout)
    assert rows(train, tmp_path) == TILES_TEST[3:]
    assert not warned()
    test = make(tmp_path, layout=layout, split='test')
    assert rows(test, tmp_path) == TILES_TEST
    said = 'no list, so tests read all 3 good images'
    assert any(said in line for line in warned())


@pytest.mark.parametrize('layout', ['auto', 'mask-beside'])
def test_lists_divide_the_images(tmp_path, layout, warned):
    plant(tmp_path, *TILES)
    write_list(tmp_path, 'MT_Free/Imgs/f2.jpg\n', 'train_good.txt')
    text = 'MT_Crack/Imgs/c1.jpg\nMT_Free/Imgs/f1.jpg\t0\nMT_Fray/y1.jpg 1\n'
    write_list(tmp_path, text, 'test.txt')
    kwargs = {'layout': layout, 'split_dir': 'lists'}
    train = make(tmp_path, ann_file='train_good.txt', **kwargs)
    assert rows(train, tmp_path) == [TILES_TEST[4]]
    test = make(tmp_path, ann_file='test.txt', split='test', **kwargs)
    assert rows(test, tmp_path) == [TILES_TEST[0], TILES_TEST[3], FRAY]
    assert not warned()


def test_good_names_are_a_choice(tmp_path):
    plant(tmp_path, *TILES)
    swapped = make(tmp_path, good_names=('mt_crack', 'mt_fray'))
    assert [row[0] for row in rows(swapped, tmp_path)] == [
        row[0] for row in TILES_TEST[:3]
    ]


# plain folders


def test_a_folder_of_good_images(tmp_path):
    names = ['b.png', 'x/a.jpg', 'x/y/c.Tiff', 'x/2 d.webp']
    touch(tmp_path, *names, 'x/notes.txt', '.hidden/e.png')
    assert rows(make(tmp_path, good_names='*'), tmp_path) == [
        (name, 0, '', 'good', None) for name in sorted(names)
    ]
    below = make(tmp_path, data_prefix='x/y')
    assert [row[0] for row in rows(below, tmp_path)] == ['x/y/c.Tiff']


def test_class_folders_keep_defects_out_of_training(tmp_path):
    touch(tmp_path, 'Good/a.png', 'Good/deep/b.png', 'dent/c.png', 'd.png')
    with pytest.raises(ValueError, match=r'1 image \(d\.png\) in no folder'):
        make(tmp_path)
    (tmp_path / 'd.png').unlink()
    train = make(tmp_path)
    assert [row[:2] for row in rows(train, tmp_path)] == [
        ('Good/a.png', 0),
        ('Good/deep/b.png', 0),
    ]
    assert train.contents.left_out == {'defective by folder': ['dent/c.png']}
    test = make(tmp_path, split='test')
    assert [row[:4] for row in rows(test, tmp_path)] == [
        ('Good/a.png', 0, '', 'good'),
        ('Good/deep/b.png', 0, '', 'good'),
        ('dent/c.png', 1, '', 'dent'),
    ]


def test_lists_label_what_folders_do_not(tmp_path):
    touch(tmp_path, 'day 1/a.png', 'day 1/b 0.png', 'c.png')
    text = 'day 1/a.png 0\nday 1/b 0.png 1\r\nc.png\t1\n'
    file = write_list(tmp_path, text)
    test = make(tmp_path, split='test', ann_file=file)
    assert rows(test, tmp_path) == [
        ('day 1/a.png', 0, '', 'good', None),
        ('day 1/b 0.png', 1, '', 'defect', None),
        ('c.png', 1, '', 'defect', None),
    ]
    train = make(tmp_path, ann_file=write_list(tmp_path, 'day 1/b 0.png\n'))
    assert rows(train, tmp_path) == [('day 1/b 0.png', 0, '', 'good', None)]


def test_layout_folder_takes_what_looks_like_masks(tmp_path):
    draw(tmp_path, 'a.jpg')
    draw_masks(tmp_path, 'a.png')
    assert len(make(tmp_path, layout='folder')) == 2
    with pytest.raises(ValueError, match=r"layout='folder' if these are"):
        make(tmp_path)


# what is wrong

TREES = {
    'mvtec': MVTEC,
    'tiles': TILES,
    'plain': ('a.png', 'b/c.png'),
    'classes': ('good/a.png', 'dent/b.png', 'c.png'),
    'split': ('train/dent/a.png', 'test/good/b.png'),
    'no test': ('train/good/a.png',),
    'empty': ('notes.txt',),
    'loose': ('cup/train/good/a.png', 'cup/test/b.png'),
}


@pytest.mark.parametrize(
    ('tree', 'kwargs', 'message'),
    [
        ('mvtec', {'category': 'pot'}, 'no category pot'),
        ('plain', {'layout': 'mvtec'}, 'no MVTec-style category'),
        ('plain', {'category': 'cup'}, 'no MVTec-style category'),
        ('split', {}, r'no good images .*train\.'),
        ('no test', {'split': 'test'}, r'no images in .*test\.'),
        ('loose', {'split': 'test'}, 'lies in no folder of a class'),
        ('plain', {'split': 'test'}, 'no list of images to test on'),
        ('empty', {}, 'no images'),
        ('empty', {'layout': 'mask-beside'}, 'no images'),
        ('tiles', {'good_names': ['fine']}, 'no folder of good .*fine'),
    ],
)
def test_errors_show_the_expected_and_the_found_tree(
    tmp_path, tree, kwargs, message
):
    plant(tmp_path, *TREES[tree])
    with pytest.raises(ValueError, match=message) as caught:
        make(tmp_path, **kwargs)
    _, trees = str(caught.value).split('\nExpected:\n')
    expected, found = trees.split('\nFound in ')
    assert expected.startswith('  ')
    for name in TREES[tree]:
        assert name.split('/')[0] in found


@pytest.mark.parametrize(
    ('tree', 'split', 'line', 'message'),
    [
        ('tiles', 'test', 'MT_Crack/Imgs/c1.png', 'c1.png is a mask; list'),
        ('tiles', 'train', 'MT_Crack/Imgs/c1.jpg', 'good images alone'),
        ('tiles', 'train', 'MT_Free/Imgs/f1.jpg 1', 'good by its folder, but'),
        ('tiles', 'test', 'MT_Crack/Imgs/c1.jpg 0', 'defect by its folder'),
        ('plain', 'train', 'a.png 1', 'good images alone'),
        ('plain', 'test', 'b/c.png', r'good or defective\? List it with 0'),
        ('classes', 'test', 'c.png', r'good or defective\?'),
        ('plain', 'test', 'a.png 2', 'expected the path of an image'),
        ('plain', 'test', 'a.png 0 1', 'expected the path of an image'),
        ('plain', 'test', 'a.txt 0', 'expected the path of an image'),
        ('plain', 'test', '/a.png 0', 'relative to the data root'),
        ('plain', 'test', '  ', 'no images; expected one path a line'),
        ('mvtec', 'test', 'pot/test/good/a.png', 'is not of cup, nut'),
        ('mvtec', 'test', 'cup/ground_truth/crack/000_mask.png', 'not of cup'),
    ],
)
def test_wrong_lines_are_named(tmp_path, tree, split, line, message):
    plant(tmp_path, *TREES[tree])
    file = write_list(tmp_path, f'{line}\n')
    with pytest.raises(ValueError, match=message) as caught:
        make(tmp_path, split=split, ann_file=file)
    if 'Expected:' not in str(caught.value) and 'is a mask' not in message:
        assert 'list.txt' in str(caught.value)


@pytest.mark.parametrize(
    ('kwargs', 'error', 'message'),
    [
        ({'layout': 'mvtek'}, ValueError, 'one of auto, mvtec, mask-beside'),
        ({'split': 'val'}, ValueError, "train or test, got 'val'"),
        (
            {'layout': 'folder', 'categories': ['a']},
            ValueError,
            "'folder' has none",
        ),
        (
            {'category': 'a', 'categories': ['b']},
            ValueError,
            'exclude each other',
        ),
        ({'ann_file': 'no.txt'}, FileNotFoundError, r'no list of .*no\.txt'),
        ({'data_prefix': 'no'}, FileNotFoundError, 'set data_root'),
    ],
)
def test_wrong_options(tmp_path, kwargs, error, message):
    touch(tmp_path, 'a.png')
    with pytest.raises(error, match=message):
        make(tmp_path, **kwargs)


# unreadable files

PIPELINE = [
    {'type': 'mmcvgssl.LoadImage'},
    {'type': 'mmpretrain.PackInputs', 'meta_keys': ('img_path',)},
]


def test_unreadable_images_are_skipped_in_training_only(tmp_path, warned):
    draw(tmp_path, *[f'good/{i}.png' for i in range(9)])
    (tmp_path / 'good' / '3.png').write_bytes(b'no picture')
    data_set = make(tmp_path, pipeline=PIPELINE, max_unreadable=0.2)
    shown = [data_set[i]['data_samples'].img_path for i in range(9)]
    assert not any(path.endswith('3.png') for path in shown)
    assert data_set.n_unreadable == 1
    said = [line for line in warned() if 'skipping unreadable image' in line]
    assert len(said) == 1
    strict = make(tmp_path, pipeline=PIPELINE, max_unreadable=0.05)
    with pytest.raises(TooManyUnreadableError, match='1 of 9'):
        list(strict)
    tests = make(tmp_path, pipeline=PIPELINE, split='test')
    with pytest.raises(UnreadableImageError, match=r'3\.png'):
        list(tests)


# configs


def write_mvtec(root: Path) -> dict:
    """Write a tree; return the options that it needs, as the others do."""
    draw(
        root,
        *[f'bottle/train/good/{i}.png' for i in range(3)],
        'bottle/test/good/0.png',
        'bottle/test/chip/0.png',
        'bottle/test/chip/1.png',
        'pot/train/good/0.png',
        'pot/test/chip/0.png',
        width=30,
    )
    draw_masks(root, 'bottle/ground_truth/chip/0_mask.png', width=30)
    return {}


def write_tiles(root: Path) -> dict:
    draw(root, *[f'MT_Free/Imgs/{i}.jpg' for i in range(4)], width=30)
    draw(root, 'MT_Fray/Imgs/8.jpg', 'MT_Crack/Imgs/9.jpg', width=30)
    draw_masks(root, 'MT_Fray/Imgs/8.png', width=30)
    lists = root / 'mmcvgssl'
    lists.mkdir()
    train = ''.join(f'MT_Free/Imgs/{i}.jpg 0\n' for i in range(3))
    (lists / 'train.txt').write_text(train)
    test = 'MT_Free/Imgs/3.jpg 0\nMT_Fray/Imgs/8.jpg 1\nMT_Crack/Imgs/9.jpg 1'
    (lists / 'test.txt').write_text(test)
    return {}


def write_folder(root: Path) -> dict:
    draw(root, *[f'fine/{i}.png' for i in range(3)], width=30)
    draw(root, 'new/a.png', 'new/b.png', 'new/c.png', width=30)
    lists = root / 'mmcvgssl'
    lists.mkdir()
    (lists / 'test.txt').write_text('new/a.png 1\nnew/b.png 1\nnew/c.png 0')
    return {'fit_dataloader.dataset.data_prefix': 'fine'}


@pytest.mark.parametrize(
    ('name', 'write', 'category', 'masks'),
    [
        ('mvtec', write_mvtec, 'bottle', {0: 1, 6: 1}),
        ('magnetic_tile', write_tiles, '', {0: 1, 6: 1}),
        ('', write_folder, '', {0: 1}),
    ],
)
def test_configs_give_batches(tmp_path, name, write, category, masks):
    options = write(tmp_path)
    path = LOADERS
    if name:
        (tmp_path / 'config').mkdir()
        path = with_data_set(LOADERS, name, tmp_path / 'config')
    cfg = load_config(
        path,
        {'data_root': str(tmp_path), 'input_size': 24, **options},
    )
    assert cfg.test_evaluator.type == 'mmcvgssl.AnomalyMetric'
    assert cfg.test_cfg == {}
    shown = {}
    for part in ('fit', 'test'):
        options = cfg[f'{part}_dataloader'].to_dict()
        assert options['batch_size'] == 16
        assert options['sampler']['shuffle'] is False
        options['num_workers'] = 0
        options['dataset']['serialize_data'] = False
        (batch,) = Runner.build_dataloader(options, seed=0)
        samples = shown[part] = batch['data_samples']
        for image, sample in zip(batch['inputs'], samples, strict=True):
            assert (image.shape, str(image.dtype)) == (
                (3, 24, 24),
                'torch.uint8',
            )
            assert sample.ori_shape == (SIDE, 30)
            assert sample.category == category
            assert Path(sample.img_path).is_file()
        assert [s.sample_idx for s in samples] == [*range(3)]
    assert [int(s.gt_label) for s in shown['fit']] == [0, 0, 0]
    assert not any('gt_mask' in s for s in shown['fit'])
    labels = Counter(int(s.gt_label) for s in shown['test'])
    assert labels == {0: 1, 1: 2}
    found = [s.gt_mask for s in shown['test'] if 'gt_mask' in s]
    assert all(m.shape == (SIDE, 30) for m in found)
    # two by three pixels and one of the grey edge
    assert Counter(int(m.sum()) for m in found) == {
        k + (k == 6): v for k, v in masks.items()
    }
    for sample in shown['test']:
        defect = sample.defect
        assert (defect == 'good') == (int(sample.gt_label) == 0)


def test_the_category_is_an_option(tmp_path):
    write_mvtec(tmp_path / 'data')
    path = with_data_set(LOADERS, 'mvtec', tmp_path)
    for category, n_train, n_test in (('pot', 1, 1), ('', 4, 4)):
        options = {'data_root': str(tmp_path / 'data'), 'category': category}
        cfg = load_config(path, options)
        counts = []
        for part in ('fit', 'test'):
            data_set = cfg[f'{part}_dataloader'].dataset.to_dict()
            data_set['serialize_data'] = False
            counts.append(len(DATASETS.build(data_set)))
        assert counts == [n_train, n_test]
