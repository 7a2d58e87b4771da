"""tools/check_data.py: sets by name, exit codes, JSON."""

import json
import os
import shutil

import pytest

from mmcvgssl.cli import main
from tests.surfaces import write_surfaces

BARE = ('--features', 'none', '--workers', '0')


@pytest.fixture
def sets(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for part, first in (('one', 0), ('other', 1000)):
        write_surfaces(tmp_path / part, count=3, first=first)
    shutil.copy(tmp_path / 'one/dent/0.png', tmp_path / 'one/dent/copy.png')
    return tmp_path


def test_copies_are_told_by_the_exit_code(tool, sets):
    args = ('check_data.py', 'train=one', 'test=other', *BARE)
    code, said, err = tool(*args)
    assert code == 0, err
    assert 'warning copies-same-file       1' in said
    assert '0 errors, 1 warning, 0 notes' in said
    assert (sets / 'checked/report.html').is_file()
    assert tool(*args, '--fail-on', 'warning')[0] == 3
    shutil.copy(sets / 'one/dent/1.png', sets / 'other/dent/9.png')
    code, said, err = tool(*args, '--json', '--out', 'again')
    assert code == 3, err
    found = json.loads(said)
    assert found['errors'] == 1
    assert [f['kind'] for f in found['findings']] == [
        *('leak-same-file', 'copies-same-file')
    ]
    images = found['findings'][0]['examples'][0]['images']
    assert images == [
        str(sets / 'one/dent/1.png'),
        str(sets / 'other/dent/9.png'),
    ]
    assert (
        json.loads((sets / 'again/findings.json').read_text())['errors'] == 1
    )
    assert tool(*args, '--fail-on', 'never')[0] == 0


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['train=one', 'other'], 'write NAME=other'),
        (['train=one', 'train=other'], 'each name once'),
        (['train='], 'expected NAME=SET'),
        (['one', 'one'], 'different names'),
        (['one', 'missing'], 'found no missing'),
    ],
)
def test_bad_names_are_refused(sets, capsys, words, message):
    assert main(['check', *words, *BARE]) == 1
    assert message in capsys.readouterr().err
    assert not (sets / 'checked').exists()


def test_ctrl_c_leaves_nothing(sets, capsys, monkeypatch):
    def interrupt(path):
        raise KeyboardInterrupt

    monkeypatch.setattr('mmcvgssl.apis.checking.reading.read_facts', interrupt)
    assert main(['check', 'one', *BARE]) == 130
    assert 'run the same command again' in capsys.readouterr().err
    assert not (sets / 'checked').exists()


def test_an_unreadable_folder_is_refused(sets, capsys, monkeypatch):
    scan = os.scandir

    def refuse(path):
        if str(path).endswith('rust'):
            raise PermissionError(13, 'Permission denied', str(path))
        return scan(path)

    monkeypatch.setattr('mmcvgssl.datasets.files.os.scandir', refuse)
    assert main(['check', 'one', *BARE]) == 1
    said = capsys.readouterr().err
    assert 'the folder cannot be read, so what it holds would be left' in said
    assert 'one/rust' in said


def test_a_folder_with_a_sign_in_its_name(sets, capsys):
    (sets / 'one').rename(sets / 'a=b')
    assert main(['check', 'a=b', 'other', *BARE]) == 0
    assert 'a=b' in capsys.readouterr().out.splitlines()[0]


def test_an_output_that_cannot_be_is_refused_before_work(sets, capsys):
    (sets / 'file').write_text('')
    assert main(['check', 'one', '--out', 'file', *BARE]) == 1
    said = capsys.readouterr()
    assert 'file is a file: expected a folder for --out' in said.err
