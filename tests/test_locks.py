"""A folder is written to by one run at a time."""

import errno
import fcntl
import os
import subprocess
import sys

import pytest

from mmcvgssl.apis import load_config, make_maps
from mmcvgssl.apis.few_shot import FewShot
from mmcvgssl.apis.one_class.run import run_one_class
from mmcvgssl.locks import LOCK, FolderInUseError, locked
from tests.one_class_data import RECIPES, tiny_options, write_mvtec


def test_a_second_run_is_refused_until_the_first_ends(tmp_path):
    folder = tmp_path / 'new/work'
    with locked(folder):
        with pytest.raises(FolderInUseError) as caught, locked(folder):
            pass
        assert str(folder) in str(caught.value)
        assert f'process {os.getpid()}' in str(caught.value)
        with locked(folder, 'other'), locked(tmp_path):
            pass
    assert not [*folder.iterdir()]
    with pytest.raises(KeyError), locked(folder):
        raise KeyError
    with locked(folder):
        pass


def test_what_a_killed_run_leaves_stops_nobody(tmp_path):
    (tmp_path / LOCK).write_text('123')
    with locked(tmp_path):
        assert (tmp_path / LOCK).read_text() == str(os.getpid())


@pytest.mark.parametrize('handed_on', [True, False])
def test_a_file_system_without_locks_is_taken_as_it_is(
    tmp_path, monkeypatch, handed_on
):
    def refuse(handle, how):
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, 'flock', refuse)
    opened = []
    for _ in range(2):
        with locked(tmp_path, handed_on=handed_on) as handles:
            opened += handles
    for handle in opened:
        with pytest.raises(OSError, match='Bad file descriptor'):
            os.fstat(handle)


@pytest.mark.parametrize('handed_on', [True, False])
def test_a_lock_lasts_as_long_as_who_it_is_handed_to(tmp_path, handed_on):
    waits = 'import sys; sys.stdin.read()'
    with locked(tmp_path, handed_on=handed_on) as handles:
        child = subprocess.Popen(
            [sys.executable, '-c', waits],
            stdin=subprocess.PIPE,
            pass_fds=handles,
        )
    if handed_on:
        with pytest.raises(FolderInUseError), locked(tmp_path):
            pass
    child.communicate()
    with locked(tmp_path):
        pass


def test_tools_refuse_a_folder_in_use(tmp_path, tool, tiny, tiny_classes):
    work = tmp_path / 'work'
    args = ['--cfg-options', f'experiment_name={tmp_path.name}']
    with locked(work):
        code, _, err = tool('train.py', tiny(), '--work-dir', work, *args)
        assert code == 1
        assert 'is being written to by another run' in err.splitlines()[-1]
        with pytest.raises(FolderInUseError):
            FewShot(load_config(tiny_classes), 'none').run([1], 1, work)
        maps = RECIPES.parent / 'mahalanobis_ad/mahalanobis-ad_lite0_folder.py'
        with pytest.raises(FolderInUseError):
            make_maps(load_config(maps), tmp_path / 'images', work)
        assert [path.name for path in work.iterdir()] == [LOCK]
    root = write_mvtec(tmp_path / 'mvtec')
    options = tiny_options(root, trains=False) | {'category': 'bolt'}
    cfg = load_config(RECIPES / 'untrained_lite0_mvtec.py', options)
    with locked(work / 'bolt'), pytest.raises(FolderInUseError):
        run_one_class(cfg, work, ['bolt'])
