"""Fixtures of the compatibility tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import mmcvgssl

REPO = Path(__file__).resolve().parents[2]
ORIGINAL = 'MMCVGSSL_ORIGINAL_HOSTS'
DEVICES = ['cpu'] + ['cuda'] * torch.cuda.is_available()


@pytest.fixture(params=DEVICES)
def device(request):
    return request.param


@pytest.fixture(autouse=True)
def _seed(monkeypatch):
    torch.manual_seed(0)
    # references on a GPU must not be rounded to TF32
    monkeypatch.setattr(torch.backends.cudnn, 'allow_tf32', False)


@pytest.fixture(scope='session')
def ext():
    """The module under test, which must not be a compiled one."""
    import mmcv._ext

    if mmcvgssl.compat.ops_origin() != 'torch-native':
        pytest.skip('a compiled mmcv._ext is installed and used instead')
    return mmcv._ext


@pytest.fixture
def run_python(tmp_path):
    """Run code in a fresh interpreter, its paths before the usual ones.

    ``-S`` among the options leaves the installed packages out.
    """

    def run(code, *paths, options=(), **env):
        search = os.pathsep.join([*map(str, paths), str(REPO)])
        return subprocess.run(
            [sys.executable, *options, '-c', code],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            timeout=300,
            env={
                **os.environ,
                'NO_ALBUMENTATIONS_UPDATE': '1',
                'OMP_NUM_THREADS': '1',
                'PYTHONPATH': search,
                **env,
            },
        )

    return run


@pytest.fixture
def site_without(tmp_path):
    """Link every installed package but those whose names start so."""

    def build(*names):
        site = tmp_path / 'site-without'
        site.mkdir()
        for folder in map(Path, sys.path):
            if folder.name not in ('site-packages', 'dist-packages'):
                continue
            for path in folder.iterdir():
                link = site / path.name
                if not path.name.startswith(names) and not link.exists():
                    link.symlink_to(path)
        return site

    return build


def _original_paths():
    folder = os.environ.get(ORIGINAL)
    if not folder:
        pytest.skip(
            f'set {ORIGINAL} to a directory made by `pip install --target '
            'DIR --no-deps mmengine==0.10.7 mmcv-lite==2.0.1 mmdet==3.3.0 '
            'mmpretrain==1.2.0 mmyolo==0.6.0` to test the original hosts'
        )
    return [Path(folder).resolve()]


@pytest.fixture
def original_paths():
    """Paths that put the original distributions of the hosts first."""
    return _original_paths()


@pytest.fixture(params=['maintained', 'original'])
def host_paths(request):
    """Paths that put one of the two supported host sets first."""
    return [] if request.param == 'maintained' else _original_paths()
