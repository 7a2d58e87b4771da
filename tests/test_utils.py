"""Small helpers."""

import errno
import logging
import os

import numpy as np
import pytest

from mmcvgssl.utils import (
    atomic_write,
    check_file,
    check_folder,
    check_least,
    evenly,
    log_once,
    printable,
    read_json,
    some,
    with_suffix_added,
)


@pytest.mark.parametrize('n', [0, 1, 2, 5, 17])
@pytest.mark.parametrize('most', [0, 1, 2, 3, 12, 40])
def test_places_are_chosen_evenly(n, most):
    positions = evenly(n, most)
    assert len(positions) == len(set(positions)) == min(n, most)
    assert set(positions) <= set(range(n))
    if len(positions) > 1:
        steps = np.diff(positions)
        assert (positions[0], positions[-1]) == (0, n - 1)
        assert steps.max() - steps.min() <= 1


@pytest.mark.parametrize(
    ('name', 'shown'),
    [
        ('Prüfung 1.png', 'Prüfung 1.png'),
        ('a\udce9.png', 'a\\xe9.png'),  # a name in Latin-1
        ('a\nb.png', 'a\\nb.png'),
        ('a\x1b[31m.png', 'a\\x1b[31m.png'),
    ],
)
def test_any_name_can_be_shown_on_one_line(name, shown):
    assert printable(name) == shown
    shown.encode()


def test_things_are_counted_and_the_first_named():
    assert some(['a'], 'map') == '1 map (a)'
    assert some('abcd', 'map') == '4 maps (a, b, c, ...)'
    assert some(iter('ab')) == '2 (a, b)'


@pytest.mark.parametrize(
    'name', ['a.png', 'x/a.png', 'a' * 251, 'a' * 252, 'x/' + 'ü' * 127]
)
def test_names_stay_within_what_file_systems_take(tmp_path, name):
    longer = with_suffix_added(name, '.png')
    atomic_write(tmp_path / longer, b'written')
    assert (tmp_path / longer).read_bytes() == b'written'
    last = name.split('/')[-1]
    if len(last.encode()) <= 251:
        assert longer == name + '.png'
    else:
        other = with_suffix_added(name[:-1] + 'b', '.png')
        assert len(longer.split('/')[-1].encode()) <= 255
        assert other != longer


def test_the_longest_name_can_be_written(tmp_path):
    for name in ('a' * 255, 'ü' * 127):
        atomic_write(tmp_path / name, b'written')
        assert [p.name for p in tmp_path.iterdir()] == [name]
        (tmp_path / name).unlink()


@pytest.mark.parametrize('text', ['', '{', '[1]', '[' * 100_000, '\xff'])
def test_json_of_another_kind_is_named(tmp_path, text):
    file = tmp_path / 'result.json'
    file.write_bytes(text.encode('latin-1'))
    with pytest.raises(ValueError, match=r'result\.json: expected JSON'):
        read_json(file)
    file.write_text('{"a": 1}')
    assert read_json(file) == {'a': 1}


@pytest.mark.parametrize(('mask', 'mode'), [(0o077, 0o600), (0o002, 0o664)])
def test_who_may_read_a_file_is_as_the_umask_says(tmp_path, mask, mode):
    before = os.umask(mask)
    try:
        for _ in range(2):  # new, and in place of another
            atomic_write(tmp_path / 'a/b', b'x')
            assert (tmp_path / 'a/b').stat().st_mode & 0o777 == mode
    finally:
        os.umask(before)
    assert [path.name for path in (tmp_path / 'a').iterdir()] == ['b']


def test_a_full_disk_names_the_file(tmp_path, monkeypatch):
    target = tmp_path / 'result.json'
    atomic_write(target, b'old')

    def replace(part, path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, 'replace', replace)
    with pytest.raises(OSError, match='No space left') as caught:
        atomic_write(target, b'new')
    assert caught.value.errno == errno.ENOSPC
    assert str(target) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ['result.json']
    assert target.read_bytes() == b'old'


def test_an_interruption_is_not_turned_into_another_error(
    tmp_path, monkeypatch
):
    replace = os.replace

    def interrupted(part, path):
        replace(part, path)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, 'replace', interrupted)
    with pytest.raises(KeyboardInterrupt):
        atomic_write(tmp_path / 'a', b'new')
    assert (tmp_path / 'a').read_bytes() == b'new'


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('new', None),
        ('file', None),  # is written anew
        ('deep/below/new', None),
        ('', 'MODEL is empty'),
        (' ', 'MODEL is empty'),
        ('folder', 'is a folder: expected the name of a file for MODEL'),
        ('file/new', r'file is a file: expected a folder for MODEL'),
        ('n' * 256, 'too long a name for MODEL: expected 255 bytes'),
        ('é' * 128, 'too long a name for MODEL: expected 255 bytes'),
        ('dangling/new', 'dangling is a link to a missing file'),
    ],
)
def test_files_to_write(tmp_path, name, message):
    (tmp_path / 'file').write_text('old')
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'dangling').symlink_to(tmp_path / 'nothing')
    path = tmp_path / name if name.strip() else name
    if message is None:
        check_file(path, 'MODEL')
        return
    with pytest.raises((OSError, ValueError), match=message) as caught:
        check_file(path, 'MODEL')
    assert '\n' not in str(caught.value)


def test_a_folder_without_rights_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'access', lambda path, mode: False)
    with pytest.raises(PermissionError, match='may not be written to') as got:
        check_folder(tmp_path / 'new', '--out')
    assert str(tmp_path) in str(got.value)
    assert '--out' in str(got.value)


def test_a_line_is_logged_once_and_a_kind_of_lines(warned):
    for text, kind in (
        *(('a', None), ('a', None), ('b', None)),
        *(('c', 'kind'), ('d', 'kind'), ('c', None)),
    ):
        log_once(text, logging.WARNING, kind)
    assert warned() == ['a', 'b', 'c', 'c']


@pytest.mark.parametrize(
    ('value', 'words'),
    [
        (0, 'size is 1 or more, got 0'),
        *((v, 'size is a whole number of 1 or') for v in (1.5, '3', True)),
    ],
)
def test_a_number_of_things_is_whole(value, words):
    check_least(size=(3, 1), count=(None, 1), other=(np.int64(2), 2))
    with pytest.raises(ValueError, match=words):
        check_least(size=(value, 1))
