"""The walk through folders, and what is passed over on it."""

import os
import socket
from pathlib import Path

import pytest

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.files import MARK, files_below, folders_in
from mmcvgssl.datasets.image_folders import images_below
from tests.data import picture


def write(root: Path, names) -> None:
    """Write an image where a name ends as one, else a text."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix.lower() in ('.png', '.jpg', '.heic', '.jpg_large'):
            picture(0).save(path, 'PNG')
        else:
            path.write_text('no picture')


def test_files_are_found_through_links_once_and_hidden_ones_are_not(tmp_path):
    here, there = tmp_path / 'here', tmp_path / 'there'
    for file in [
        here / 'a.png',
        here / 'line' / 'b.png',
        here / '.cache' / 'c.png',
        here / 'line' / '._b.png',
        there / 'd.png',
    ]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (here / 'camera').symlink_to(there)
    (here / 'e.png').symlink_to(there / 'd.png')
    (here / 'gone.png').symlink_to(there / 'nothing.png')
    # links in circles: to itself, to what is above, and by each other
    (here / 'line' / 'again').symlink_to(here)
    (here / 'line' / 'above').symlink_to(tmp_path)
    (there / 'back').symlink_to(here / 'line')
    found = sorted(str(p.relative_to(here)) for p in files_below(here))
    assert found == [
        'a.png',
        'camera/back/b.png',
        'camera/d.png',
        'e.png',
        'line/b.png',
    ]
    link = tmp_path / 'link'
    link.symlink_to(here)
    assert len(list(files_below(link))) == len(found)
    assert list(files_below(tmp_path / 'none')) == []


# files, what is found, and what is left out by reason
TABLE = {
    'suffixes in any case': (
        ['a.PNG', 'b.Jpg', 'c.png.tmp', 'd.png~', 'e', 'f.txt'],
        ['a.PNG', 'b.Jpg'],
        {'no image by suffix': ['c.png.tmp', 'd.png~', 'e', 'f.txt']},
    ),
    'images under other suffixes': (
        ['a.png', 'b.heic', 'c.jpg_large', 'd.xml'],
        ['a.png'],
        {
            'no image by suffix': ['d.xml'],
            'an image by content, but not by suffix': [
                'b.heic',
                'c.jpg_large',
            ],
        },
    ),
    'hidden': (
        ['a.png', '._a.png', '.Trash-0/b.png', 'x/.cache/c.png'],
        ['a.png'],
        {'hidden': ['._a.png', '.Trash-0', 'x/.cache']},
    ),
    'of the system': (
        [
            'a.png',
            '@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg',
            'x/#recycle/b.png',
            '__MACOSX/c.png',
            '$RECYCLE.BIN/d.png',
            'x/Thumbs.db',
            'x/e.png',
        ],
        ['a.png', 'x/e.png'],
        {
            'folders of the system': [
                '$RECYCLE.BIN',
                '@eaDir',
                '__MACOSX',
                'x/#recycle',
                'x/Thumbs.db',
            ]
        },
    ),
    'a folder that ends as an image does': (
        ['a.png', 'b.png/c.png'],
        ['a.png', 'b.png/c.png'],
        {},
    ),
    'results of predict.py, maps_to_boxes.py and one_class.py': (
        [
            'a.png',
            'p/predictions.json',
            'p/overlays/a.png.png',
            'q/report.json',
            'q/report.png',
            'q/preview/' + MARK,
            'q/preview/a.png.jpg',
            'r/result.json',
            'r/roc.png',
            'r/another.png',
        ],
        ['a.png', 'r/another.png'],
        {
            'results of this package': [
                'p/overlays',
                'q/preview/a.png.jpg',
                'q/report.png',
                'r/roc.png',
            ],
            'hidden': ['q/preview/' + MARK],
            'no image by suffix': [
                'p/predictions.json',
                'q/report.json',
                'r/result.json',
            ],
        },
    ),
    'such names alone are no results': (
        ['overlays/a.png', 'report.png', 'roc.png'],
        ['overlays/a.png', 'report.png', 'roc.png'],
        {},
    ),
    'names that are not UTF-8, or break lines': (
        ['a.png', 'b\udce9.png', 'c\nd.png', 'e\t.png', ' ü 1.png'],
        [' ü 1.png', 'a.png'],
        {
            'a name that lists of images cannot hold': [
                'b\udce9.png',
                'c\nd.png',
                'e\t.png',
            ]
        },
    ),
    'ignored': (
        ['a.png', 'masks/b.png', 'x/masks/c.png', 'x/d_old.png'],
        ['a.png'],
        {
            'named by ignore': [
                'masks/b.png',
                'x/d_old.png',
                'x/masks/c.png',
            ]
        },
    ),
}


@pytest.mark.parametrize('case', TABLE)
def test_what_is_passed_over_is_told_by_reason(tmp_path, case):
    names, kept, left_out = TABLE[case]
    write(tmp_path, names)
    contents = Contents(str(tmp_path))
    ignore = ['masks', '*_old.png'] if case == 'ignored' else []
    found = images_below(tmp_path, contents=contents, ignore=ignore)
    assert found == kept
    logged = {k: sorted(v) for k, v in contents.left_out.items()}
    assert logged == {k: sorted(v) for k, v in left_out.items()}
    contents.summary().encode()  # whatever the names are


@pytest.mark.parametrize(
    'pattern', ['old [1]/', './x/old [1]', 'x//old [[]1]/', 'old*', 'x/old*']
)
def test_ignore_takes_names_as_shells_and_folders_write_them(
    tmp_path, pattern
):
    write(tmp_path, ['a.png', 'old 1.txt', 'x/old [1]/b.png', 'x/c.png'])
    assert images_below(tmp_path, ignore=[pattern]) == ['a.png', 'x/c.png']


def test_what_is_neither_file_nor_folder_is_told(tmp_path):
    write(tmp_path, ['a.png', 'x/b.png'])
    os.symlink(tmp_path / 'gone.png', tmp_path / 'c.png')
    os.symlink(tmp_path, tmp_path / 'x' / 'back')
    os.mkfifo(tmp_path / 'd.png')
    here = os.getcwd()
    os.chdir(tmp_path)  # a socket's path is short
    with socket.socket(socket.AF_UNIX) as made:
        made.bind('e.png')
    os.chdir(here)
    contents = Contents('')
    assert images_below(tmp_path, contents=contents) == ['a.png', 'x/b.png']
    assert contents.left_out == {
        'no regular file': ['c.png', 'd.png', 'e.png'],
        'link back to a folder above': ['x/back'],
    }


def test_what_links_repeat_is_read_once_by_its_own_path(tmp_path):
    root, away = tmp_path / 'root', tmp_path / 'away'
    write(root, ['b/1.png', 'b/2.png', '.store/3.png', 'd/4.png', 'd/4.txt'])
    write(away, ['5.png'])
    for link, target in (
        ('a', root / 'b'),
        ('c.png', root / 'b/1.png'),
        ('d/3.png', root / '.store/3.png'),
        ('latest', root / 'd'),
        ('x', away),
        ('y.png', away / '5.png'),
    ):
        (root / link).symlink_to(target)
    contents = Contents('')
    found = images_below(root, contents=contents)
    assert found == ['b/1.png', 'b/2.png', 'd/3.png', 'd/4.png', 'x/5.png']
    repeated = contents.left_out['link to what is read at another path']
    assert sorted(repeated) == [
        *('a/1.png', 'a/2.png', 'c.png', 'latest/3.png', 'latest/4.png'),
        'y.png',
    ]
    # links to what is left out stand for it
    kept = images_below(root, ignore=['b', 'd', 'x'])
    expected = ['a/1.png', 'a/2.png', 'latest/3.png', 'latest/4.png', 'y.png']
    assert kept == expected


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    write(tmp_path, ['a.png', 'x/b.png'])
    scan = os.scandir

    def scandir(path):
        if str(path).endswith('x'):
            raise PermissionError(13, 'Permission denied', str(path))
        return scan(path)

    monkeypatch.setattr(os, 'scandir', scandir)
    with pytest.raises(PermissionError, match=r"give permission.*x'"):
        images_below(tmp_path)


def test_folders_are_named_by_the_same_rule(tmp_path):
    write(tmp_path, ['b/1.png', 'a/1.png', '.c/1.png', '@eaDir/1.png', '1'])
    assert folders_in(tmp_path) == ['a', 'b']
