"""What is guessed from names of folders and files, told or refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmcvgssl.apis import load_config
from mmcvgssl.datasets import OneClassDataset
from mmcvgssl.registry import DATASETS
from mmcvgssl.runner.options import OptionText
from tests.data import CONFIGS, picture

SIDE = 24


def image(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, SIDE).save(path)


def mask(path: Path, side: int = SIDE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((side, SIDE), np.uint8)
    values[4:9, 3:8], values[4, 8] = 255, 90  # with a grey edge
    Image.fromarray(values).save(path)


def write(root: Path, names) -> None:
    """Write masks where a name says so by ``:m``, else images."""
    for i, name in enumerate(names):
        if name.endswith(':m'):
            mask(root / name[:-2])
        else:
            image(root / name, i)


def make(root: Path, **kwargs) -> OneClassDataset:
    return OneClassDataset(data_root=str(root), serialize_data=False, **kwargs)


def paths(data_set: OneClassDataset, root: Path, label=None) -> list[str]:
    infos = [data_set.get_data_info(i) for i in range(len(data_set))]
    return [
        Path(info['img_path']).relative_to(root).as_posix()
        for info in infos
        if label in (None, info['gt_label'])
    ]


# a tree, options, and the images to learn from or what the error says
GOOD_FOLDERS = [
    (['Normal/1.png', 'scratch/2.png'], {}, ['Normal/1.png']),
    (['OK/1.png', 'NG/2.png'], {}, ['OK/1.png']),
    (['pass/1.png', 'fail/2.png'], {}, ['pass/1.png']),
    (['defect-free/1.png', 'defect/2.png'], {}, ['defect-free/1.png']),
    (['No Defects/1.png', 'Defects/2.png'], {}, ['No Defects/1.png']),
    (['good/1.png', 'not good/2.png'], {}, ['good/1.png']),
    (['good/1.png', 'no_good/2.png'], {}, ['good/1.png']),
    (['GOOD/a/1.png', 'GOOD/b/2.png'], {}, ['GOOD/a/1.png', 'GOOD/b/2.png']),
    (['all/good/1.png', 'all/bad/2.png'], {}, ['all/good/1.png']),
    (['cam/1.png', 'cam/day 2/2.png'], {}, ['cam/1.png', 'cam/day 2/2.png']),
    (['1.png', '2.png'], {}, ['1.png', '2.png']),
    # none is good, or more than one may be
    (
        ['gut/1.png', 'kratzer/2.png'],
        {},
        'found gut, kratzer.*good_names=NAME',
    ),
    (['0/1.png', '1/2.png'], {}, 'found 0, 1'),
    (['positive/1.png', 'negative/2.png'], {}, 'found negative, positive'),
    (['scratch/1.png', '2.png'], {}, r'scratch beside 1 image \(2\.png\)'),
    (['defects/1.png'], {}, 'No folder has a usual name.*found defects'),
    (['not good/1.png'], {}, 'found not good'),
    (['NG/1.png'], {}, 'found NG'),
    (['good/1.png', 'good 2/2.png'], {}, 'good 2 good or defective'),
    (['good_cam1/1.png', 'good_cam2/2.png'], {}, 'good_cam1, good_cam2'),
    (
        ['cam1/good/1.png', 'cam1/bad/2.png', 'cam2/good/3.png'],
        {},
        'cam1, cam2',
    ),
    (['cam1/x/good/1.png', 'cam1/y/bad/2.png'], {}, 'bad'),
    (['good/1.png', 'good/NG/2.png'], {}, r'good/\*\*/NG'),
    (['good/1.png', 'dent/ok/2.png'], {}, r'dent/\*\*/ok'),
    (['good/1.png', 'dent/2.png', '3.png'], {}, r'1 image \(3\.png\) in no'),
    (['good/1.png', 'train/2.png'], {}, 'train.*a part of a data set'),
    (['good/1.png', 'masks/2.png:m'], {}, 'masks.*has the name of masks'),
    # what the user says
    (['gut/1.png', 'ng/2.png'], {'good_names': 'Gut'}, ['gut/1.png']),
    # an umlaut as Linux and as macOS write it
    (
        ['fu\u0308r gut/1.png', 'ng/2.png'],
        {'good_names': 'F\u00fcr gut'},
        ['fu\u0308r gut/1.png'],
    ),
    (
        ['a1/1.png', 'a2/2.png', 'b/3.png'],
        {'good_names': 'a?'},
        ['a1/1.png', 'a2/2.png'],
    ),
    (
        ['a/1.png', 'b/2.png', '3.png'],
        {'good_names': '*'},
        ['3.png', 'a/1.png', 'b/2.png'],
    ),
    (['gut/1.png', 'ng/2.png'], {'good_names': 'fein'}, 'is named fein; fo'),
    (
        ['good/1.png', 'good 2/2.png'],
        {'good_names': ['good']},
        ['good/1.png'],
    ),
    (
        ['good/1.png', 'good/NG/2.png'],
        {'good_names': 'good'},
        ['good/1.png', 'good/NG/2.png'],
    ),
    (['good/1.png', 'masks/2.png:m'], {'ignore': 'masks'}, ['good/1.png']),
]


@pytest.mark.parametrize(('tree', 'options', 'expected'), GOOD_FOLDERS)
def test_which_folders_are_good(tmp_path, tree, options, expected):
    write(tmp_path, tree)
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            make(tmp_path, **options)
        return
    data_set = make(tmp_path, **options)
    assert paths(data_set, tmp_path) == expected
    assert data_set.contents.used['good'] == len(expected)
    rest = len(tree) - len(expected)
    assert data_set.contents.n_left_out == rest
    if any('/' in path for path in tree):
        assert 'good_names says which are good' in data_set.contents.notes[-1]


# a tree, options, images with their masks, or what the error says
MASKS = [
    (['good/1.png', 'good/1.jpg'], {}, {'1.png': 0, '1.jpg': 0}),
    (
        ['good/1.jpg', 'dent/2.jpg', 'dent/2.png:m'],
        {},
        {'1.jpg': 0, '2.jpg': '2.png'},
    ),
    (
        ['good/1.jpg', 'dent/2.jpg', 'dent/2.png:m', 'dent/3.png'],
        {},
        {'1.jpg': 0, '2.jpg': '2.png', '3.png': 0},
    ),
    (
        ['good/1.png', 'dent/2.png', 'dent/2_mask.png:m'],
        {},
        {'1.png': 0, '2.png': '2_mask.png'},
    ),
    # an all-black one, of a good image, too
    (
        ['good/1.bmp', 'dent/2.bmp', 'dent/2_GT.PNG:m'],
        {},
        {'1.bmp': 0, '2.bmp': '2_GT.PNG'},
    ),
    # some look like masks and some do not
    (
        ['good/1.jpg', 'good/1.png', 'dent/2.jpg', 'dent/2.png:m'],
        {},
        r'good/1\.png.*does not look like a mask.*dent/2\.png.*layout=',
    ),
    # a mask whose image is gone
    (
        ['good/1.jpg', 'dent/2.jpg', 'dent/2.png:m', 'dent/3.png:m'],
        {},
        r'dent/3\.png.*no image is beside',
    ),
    # masks that no rule pairs with images
    *(
        (['good/1.jpg', 'dent/2.jpg', f'{name}:m'], {}, 'is not clear. Set ma')
        for name in (
            *('dent/masks/2.png', 'dent/mask_2.png', 'dent/2.bmp'),
            *('dent/2_mask.jpg', 'dent/2-GT.tif', 'dent_mask/2.png'),
            *('dent/2_segmentation.png', 'good/masks/1.png'),
        )
    ),
    # such names, but no such look
    (
        ['good/1.jpg', 'dent/2.jpg', 'dent/mask_3.jpg', 'dent/2.bmp'],
        {},
        {'1.jpg': 0, '2.jpg': 0, 'mask_3.jpg': 0, '2.bmp': 0},
    ),
    (
        ['good/1.jpg', 'dent/mask_2.png:m'],
        {'layout': 'folder'},
        {'1.jpg': 0, 'mask_2.png': 0},
    ),
    (
        ['good/1.jpg', 'dent/2.jpg', 'dent/2_mask.jpg:m'],
        {'mask_suffix': '_mask.jpg'},
        {'1.jpg': 0, '2.jpg': '2_mask.jpg'},
    ),
    # what the user says
    (
        ['good/1.jpg', 'dent/2.jpg', 'dent/2.png:m', 'dent/3.png:m'],
        {'layout': 'mask-beside'},
        {'1.jpg': 0, '2.jpg': '2.png'},
    ),
    (
        ['good/1.png', 'good/1.jpg', 'dent/2.jpg', 'dent/2.png'],
        {'layout': 'mask-beside'},
        {'1.jpg': '1.png', '2.jpg': '2.png'},
    ),
    (
        ['good/1.png', 'good/2.jpg', 'dent/2.jpg', 'dent/2.png:m'],
        {'layout': 'mask-beside'},
        r'1 file \(good/1\.png\) would be left out.*mask_suffix',
    ),
    (
        ['good/1.png', 'dent/2.jpg', 'dent/2.png:m'],
        {'layout': 'folder'},
        {'1.png': 0, '2.jpg': 0, '2.png': 0},
    ),
    # images that one mask cannot tell apart
    *(
        (
            ['good/1.jpg', 'dent/2.jpg', 'dent/2.bmp', f'dent/2{end}:m'],
            options,
            rf'dent/2\.bmp and dent/2\.jpg would share .*dent/2{end}',
        )
        for end, options in (
            ('.png', {'layout': 'mask-beside'}),
            ('_mask.png', {}),
            ('_seg.png', {'mask_suffix': '_seg.png'}),
        )
    ),
    (
        [
            *('test/good/1.png', 'test/dent/2.png', 'test/dent/2.jpg'),
            'ground_truth/dent/2_mask.png:m',
        ],
        {},
        r'2\.jpg and test/dent/2\.png would share .*2_mask\.png',
    ),
    *(
        (
            [f'good/1{end}', f'dent/2{end}', 'dent/2_mask.png:m'],
            {'layout': 'mask-beside'},
            {f'1{end}': 0, f'2{end}': '2_mask.png'},
        )
        for end in ('.jpg', '.png')
    ),
    (
        ['good/1.jpg', 'dent/2.jpg', 'dent/2_gt.png:m', 'dent/3_gt.png'],
        {'layout': 'mask-beside'},
        r'1 file \(dent/3_gt\.png\).*what ends in _gt\.png is a mask',
    ),
    (
        ['good/1.jpg', 'dent/2.jpg', 'dent/2_seg.png:m'],
        {'layout': 'folder', 'mask_suffix': '_seg.png'},
        "'_seg.png' would do nothing: .*layout='mask-beside'",
    ),
    *(
        (
            ['test/good/1.png', 'test/dent/2.png', f'{truth}/2_seg.png:m'],
            {'mask_suffix': suffix},
            {'1.png': 0, '2.png': mask},
        )
        for truth in ['ground_truth/dent']
        for suffix, mask in (('_seg.png', '2_seg.png'), ('.png', 0))
    ),
    (
        ['good/1.png', 'dent/2.png', 'dent/2.seg.png:m'],
        {'mask_suffix': '.seg.png'},
        {'1.png': 0, '2.png': '2.seg.png'},
    ),
]


@pytest.mark.parametrize(('tree', 'options', 'expected'), MASKS)
def test_which_files_are_masks(tmp_path, tree, options, expected):
    write(tmp_path, tree)
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            make(tmp_path, split='test', **options)
        return
    data_set = make(tmp_path, split='test', **options)
    found = {}
    for i in range(len(data_set)):
        info = data_set.get_data_info(i)
        mask = info['mask_path']
        found[Path(info['img_path']).name] = Path(mask).name if mask else 0
    assert found == expected
    assert data_set.contents.used['with mask'] == sum(
        value != 0 for value in expected.values()
    )


def test_a_copy_and_an_image_of_another_shape_are_no_masks(tmp_path):
    # nearly all of it is black, as of a mask
    dark = np.zeros((SIDE, SIDE), np.uint8)
    dark[3:6, 3:6] = np.arange(150, 240, 10).reshape(3, 3)
    for name in ('good/1.png', 'good/1.jpg', 'good/2.jpg'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(dark).save(tmp_path / name, quality=95)
    mask(tmp_path / 'good/2.png', side=2 * SIDE)
    data_set = make(tmp_path)
    assert len(data_set) == 4
    assert 'taken for an image' in data_set.contents.warnings[0]


# a tree like that of MVTec AD, options, what is learned from, and words of
# what is left out or of the error
CATEGORIES = [
    (['a/train/good/1.png', 'a/test/dent/2.png'], {}, 1, None),
    (['train/good/1.png'], {}, 1, None),
    (['a/train/good/1.png', 'a/train/dent/2.png'], {}, 1, 'no folder of good'),
    (['a/train/good/1.png', 'b/1.png'], {}, 1, 'in no category'),
    (['a/train/good/1.png', 'a/val/1.png'], {'category': 'a'}, 1, 'no part'),
    (['train/good/1.png', 'val/good/2.png'], {}, 1, 'in no part'),
    (['a/train/good/1.png', 'a/train/2.png'], {}, r'\(2\.png\) good\?', None),
    (['train/good/1.png', 'train/good2/2.png'], {}, 'good2. good', None),
    (['old/train/good/1.png', 'good/2.png', 'bad/3.png'], {}, 'Move', None),
    (['a/train/ok/1.png', 'b/train/ok/2.png'], {'ignore': 'b'}, 1, None),
    (['train/dent/1.png', 'test/good/1.png'], {}, 'no good images', None),
    (['train/1.png', 'test/1.png'], {}, 'no good images', None),
    (['a/train/good/1.png', 'a/validation/good/2.png'], {}, 1, 'in no part'),
    (['a/train/good/1.png', 'a/Masks/1.png'], {'category': 'a'}, 1, 'no part'),
]


@pytest.mark.parametrize(('tree', 'options', 'expected', 'told'), CATEGORIES)
def test_which_folders_are_categories(tmp_path, tree, options, expected, told):
    write(tmp_path, tree)
    if isinstance(expected, str):
        with pytest.raises(ValueError, match=expected):
            make(tmp_path, **options)
        return
    data_set = make(tmp_path, **options)
    assert len(data_set) == expected
    assert told is None or told in data_set.contents.summary()


@pytest.mark.parametrize(
    'ignore', ['a/train/good/old/', 'good/old', 'old', 'b']
)
def test_paths_to_ignore_are_below_the_root(tmp_path, ignore):
    good = ['1.png', 'old/2.png']
    tree = [f'{k}/train/good/{name}' for k in 'ab' for name in good]
    write(tmp_path, tree)
    data_set = make(tmp_path, ignore=ignore)
    kept = [path for path in tree if ignore.strip('/') not in path]
    assert paths(data_set, tmp_path) == [
        path for path in kept if not path.startswith(f'{ignore}/')
    ]
    assert data_set.contents.warnings == []
    # of another part than is read here
    write(tmp_path, ['a/test/dent/worn/1.png'])
    assert make(tmp_path, ignore='worn').contents.warnings == []
    write(tmp_path, ['list/good/1.png', 'list/good/2.png'])
    file = tmp_path / 'list.txt'
    file.write_text('good/1.png\ngood/2.png\n')
    listed = make(tmp_path / 'list', ann_file=str(file), ignore='2.png')
    assert paths(listed, tmp_path) == ['list/good/1.png']


def test_what_is_held_out_needs_an_image_to_learn_from(tmp_path):
    write(tmp_path, ['good/1.png', 'dent/2.png'])
    assert len(make(tmp_path, holdout=0.5)) == 1
    with pytest.raises(ValueError, match='holds out none of 1 images: a cat'):
        make(tmp_path, holdout=0.5, part='held-out')


def test_masks_of_no_image_are_told(tmp_path):
    write(tmp_path, ['a/test/dent/1.png', 'a/train/good/1.png'])
    mask(tmp_path / 'a/ground_truth/dent/01_mask.png')
    data_set = make(tmp_path, split='test')
    assert data_set.contents.used['with mask'] == 0
    assert '01_mask.png) of no image' in data_set.contents.warnings[0]


LISTS = [
    ('good/1.png\ngood/1.png\n', r'1 image \(good/1\.png\) listed more than'),
    ('good/1.png\n./good//1.png\n', r'1 image \(good/1\.png\) listed more'),
    ('good/1.png\nbad/../good/2.png\n', r'train\.txt:2: .*without \.\.'),
    ('good/1.png\ngood/2.PNG\n', r'by good/2\.PNG, is good/2\.png meant, in'),
    ('ru\u0308ck.png\n', 'r\u00fcck.png meant, in another form of Unicode'),
    ('good/1.png\ngood/9.png\ngood/8.png\n', r'2 images \(.*\) of 3 not in'),
]


@pytest.mark.parametrize(('text', 'message'), LISTS)
def test_lists_that_do_not_fit_are_refused(tmp_path, text, message):
    write(tmp_path, ['good/1.png', 'good/2.png', 'r\u00fcck.png'])
    (tmp_path / 'train.txt').write_text(text)
    with pytest.raises((FileNotFoundError, ValueError), match=message):
        make(tmp_path, ann_file='train.txt')


def test_what_a_list_leaves_out_is_told_and_what_is_gone_warned_of(tmp_path):
    write(tmp_path, ['cam/1.png', 'cam/2.png', 'new/3.png'])
    (tmp_path / 'test.txt').write_text('new/3.png 1\ncam/2.png 0\nold.png 0')
    data_set = make(tmp_path, leave_out='test.txt')
    assert paths(data_set, tmp_path) == ['cam/1.png']
    names = data_set.contents.left_out[f'in {tmp_path / "test.txt"}']
    assert names == ['cam/2.png', 'new/3.png']
    (warning,) = data_set.contents.warnings
    assert '1 path (old.png) that are not there' in warning


@pytest.mark.parametrize('name', ['one_class', 'cutpaste'])
def test_the_command_line_reaches_all_data_sets(tmp_path, name):
    write(tmp_path, ['fein/1.png', 'naja/2.png', 'rest/3.png', 'old/4.png'])
    path = CONFIGS / f'_base_/loaders/{name}.py'
    options = {
        'data_root': str(tmp_path),
        'good_names': 'fein,naja',
        'ignore': 'old',
        'layout': 'folder',
    }
    cfg = load_config(path, {k: OptionText(v) for k, v in options.items()})
    counts = {}
    for key in ('fit_dataloader', 'test_dataloader', 'train_dataloader'):
        if key in cfg:
            content = {**cfg[key].dataset.to_dict(), 'serialize_data': False}
            data_set = DATASETS.build({**content, 'ann_file': '', 'repeat': 1})
            counts[key] = len(data_set)
    assert counts.pop('test_dataloader') == 3
    assert set(counts.values()) == {2}
