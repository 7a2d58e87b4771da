"""Each preparation says what it leaves out, and why."""

from pathlib import Path

import pytest

from mmcvgssl.datasets.image_folders import images_below
from mmcvgssl.datasets.preparation import (
    PREPARATIONS,
    prepare_elpv,
    prepare_neu_det,
    prepare_x_sdd,
    x_sdd,
)
from tests.data import write_images

from . import test_prepare_data as trees
from .test_prepare_neu_det import fix
from .test_prepare_neu_det import make as make_neu_det
from .test_prepare_one_class import make_tiles


def options_of(name: str, root: Path) -> dict:
    """Return a whole data set's options, its images in ``root``."""
    if name == 'elpv':
        trees.make_elpv(root.parents[1])
        return {'root': root, 'out': root.parents[1] / 'lists'}
    make = {
        'x-sdd': trees.make_x_sdd,
        'neu-det': make_neu_det,
        'magnetic-tile': make_tiles,
        'folder': lambda root: [
            write_images(root / name, 4) for name in 'abc'
        ],
    }
    make[name](root)
    return {'root': root}


@pytest.mark.parametrize(
    ('name', 'folder', 'stranger'),
    [
        ('x-sdd', x_sdd.CLASSES[0], 'in no folder of a class: 1 (new/0.png)'),
        ('neu-det', 'images', 'not used: new'),
        ('elpv', 'images', 'not in labels.csv: 1 (images/a/0.png)'),
        ('magnetic-tile', 'MT_Fray', ''),
    ],
)
def test_what_is_left_out_is_said(tmp_path, name, folder, stranger):
    root = tmp_path / 'elpv_dataset' / 'data'
    options = options_of(name, root)
    run = PREPARATIONS[name].run
    plain = run(**options).summary()
    assert 'left out' not in plain
    assert 'not used' not in plain
    trees.touch(
        root,
        f'{folder}/notes.doc',
        f'{folder}/.hidden.png',
        f'{folder}/@eaDir/0.png',
    )
    if name == 'elpv':
        trees.touch(root, 'images/a/0.png')
    elif name != 'magnetic-tile':
        trees.touch(root, 'new/0.png')
    said = run(**options).summary()
    assert f'no image by suffix: 1 ({folder}/notes.doc)' in said
    assert f'hidden: 1 ({folder}/.hidden.png)' in said
    assert f'folders of the system: 1 ({folder}/@eaDir)' in said
    assert stranger in said
    # nothing else has changed
    kept = [line for line in said.splitlines() if line in plain.splitlines()]
    assert kept == plain.splitlines()


def test_annotations_of_another_kind_are_named(tmp_path):
    root = make_neu_det(tmp_path)
    trees.touch(root, 'annotations/crazing_9.json')
    said = prepare_neu_det(root).summary()
    name = 'annotations/crazing_9.json'
    assert f'no annotation by suffix: 1 ({name})' in said


@pytest.mark.parametrize('folder', ['images', 'annotations'])
def test_two_files_of_one_name_are_refused(tmp_path, folder):
    root = make_neu_det(tmp_path)
    suffix = {'images': 'jpg', 'annotations': 'xml'}[folder]
    first = root / folder / f'crazing_1.{suffix}'
    other = root / folder / 'more' / first.name
    other.parent.mkdir()
    other.write_bytes(first.read_bytes())
    with pytest.raises(ValueError, match=r'one file of each name, got .*more'):
        prepare_neu_det(root)


def test_images_in_no_fixed_list_are_counted(tmp_path):
    root = fix(make_neu_det(tmp_path), train=(1, 2), test=(4,))
    said = prepare_neu_det(root).summary()
    assert 'in no fixed list: 6 (images/crazing_3.jpg, ' in said


def test_a_cell_listed_twice_is_refused(tmp_path):
    root = trees.make_elpv(tmp_path)
    file = root / 'elpv_dataset' / 'data' / 'labels.csv'
    file.write_text(file.read_text() + file.read_text().splitlines()[0])
    with pytest.raises(ValueError, match=r'cell0001\.png stands in .*too'):
        prepare_elpv(tmp_path / 'lists', root)


def test_lists_may_lie_beside_the_images(tmp_path):
    root = trees.make_x_sdd(tmp_path)
    prepared = prepare_x_sdd(root, root)
    trees.check_lists(prepared, sum(4 + i for i in range(7)))


@pytest.mark.parametrize('name', ['folder', 'magnetic-tile'])
def test_lists_do_not_go_among_images(tmp_path, name):
    root = tmp_path / 'data'
    options = options_of(name, root)
    folder = root / images_below(root)[0].rpartition('/')[0]
    message = r'holds \d+ images? \(.*choose another by --out'
    with pytest.raises(ValueError, match=message):
        PREPARATIONS[name].run(**options, out=folder)
    assert not [*root.rglob('*.txt')]
