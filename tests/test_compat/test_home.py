"""Neither a home folder nor an entry in the password file is needed."""

import pytest

# A user whom the machine does not know, who may write to /tmp alone. Hooks
# work for root, too, and where this Python lies in a private folder.
START = """
import os, pwd, sys, tempfile

def unknown(uid):
    raise KeyError(f'getpwuid(): uid not found: {uid}')

pwd.getpwuid = unknown
HERE, TEMP = os.getcwd(), tempfile.gettempdir() + "/"
PLACES = {'open': 0, 'os.mkdir': 0, 'os.rename': 1}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT

def may_not(event, args):
    if event not in PLACES or event == 'open' and not args[2] & WRITES:
        return
    path = args[PLACES[event]]
    if not isinstance(path, int):
        path = os.path.abspath(os.fsdecode(path))
        if path.startswith(HERE) or not path.startswith((TEMP, '/dev/')):
            raise PermissionError(13, 'Permission denied', path)

sys.addaudithook(may_not)
"""
IMPORTS = """
import random
before = random.getstate()
import mmcvgssl
import mmcvgssl.apis
print('drawn at import:', random.getstate() != before)
import mmdet.engine, mmpretrain.apis, mmengine.runner.checkpoint
from mmcvgssl import env
print(env.report())
from pathlib import Path
print(Path('~/.cache').expanduser())
"""
TWICE = """
import numba
@numba.njit(cache=True)
def twice(x):
    return 2 * x
print('compiled', twice(21))
"""
HOMES = {'none': None, 'missing': '/nonexistent'}


@pytest.mark.parametrize('home', HOMES.values(), ids=HOMES)
def test_the_hosts_are_imported(run_python, tmp_path, monkeypatch, home):
    pytest.importorskip('pwd')
    for name in ('HOME', 'XDG_CACHE_HOME', 'NUMBA_CACHE_DIR', 'USER'):
        monkeypatch.delenv(name, raising=False)
    env = {} if home is None else {'HOME': home}
    (tmp_path / 'twice.py').write_text(TWICE)
    code = f'{START}{IMPORTS}import twice'
    done = run_python(code, tmp_path, PYTHONDONTWRITEBYTECODE='1', **env)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert 'teachers on disk' in lines
    assert 'drawn at import: False' in lines
    cache = '/nonexistent/.cache' if home else '/.cache'
    assert lines[-2:] == [cache, 'compiled 42']
    assert [path.name for path in tmp_path.iterdir()] == ['twice.py']


@pytest.mark.parametrize('home', HOMES.values(), ids=HOMES)
def test_homes_of_others_are_not_looked_into(monkeypatch, tmp_path, home):
    """A home that may not be read holds no teachers."""
    import os

    from mmcvgssl import env

    monkeypatch.chdir(tmp_path)
    for name in ('XDG_CACHE_HOME', 'HF_HOME', 'HF_HUB_CACHE', 'TORCH_HOME'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('HOME', home or '/root')
    stat = os.stat

    def denied(path, *args, **kwargs):
        if '.cache' in str(path):
            raise PermissionError(13, 'Permission denied', path)
        return stat(path, *args, **kwargs)

    monkeypatch.setattr(os, 'stat', denied)
    assert 'hub caches' not in env.teachers()
