"""The wheel is whole, and its command starts in a clean environment."""

import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.data import ROOT

CHECK = runpy.run_path(str(ROOT / 'tools/release_check.py'))
FILES = ('setup.py', 'pyproject.toml', 'README.md', 'LICENSE', 'MANIFEST.in')
FILES += ('requirements.txt', 'model-index.yml')
# what `python -m build` calls of setuptools, without its environment
BUILD = 'import sys; from setuptools import build_meta as b; '
BUILD += 'print(b.build_wheel(sys.argv[1]))'


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
    source = tmp_path_factory.mktemp('source')
    for name in FILES:
        shutil.copy(ROOT / name, source / name)
    for name in ('mmcvgssl', 'configs', 'tools'):
        shutil.copytree(
            ROOT / name,
            source / name,
            ignore=shutil.ignore_patterns('__pycache__', '.mim'),
        )
    out = tmp_path_factory.mktemp('built')
    done = subprocess.run(
        [sys.executable, '-c', BUILD, str(out)],
        cwd=source,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (file,) = out.glob('*.whl')
    return file


def test_the_wheel_is_whole(wheel):
    CHECK['check_contents'](None, wheel)
    needed = CHECK['needed_files']()
    for name in (
        'mmcvgssl/reports/page/page.js',
        'mmcvgssl/serving/static/drop.js',
        'mmcvgssl/models/anomaly/knowledge/mvtec.yaml',
        'mmcvgssl/.mim/configs/_base_/datasets/x_sdd.py',
    ):
        assert name in needed


@pytest.mark.parametrize(
    ('lost', 'added', 'said'),
    [
        ('mmcvgssl/reports/page/page.js', None, 'expected .*page.js in it'),
        (None, 'tests/test_a.py', 'expected no tests/test_a.py in it'),
        ('licenses/LICENSE', None, 'expected LICENSE'),
    ],
)
def test_a_wheel_that_is_not_is_refused(wheel, tmp_path, lost, added, said):
    changed = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(changed, 'w') as new:
        for name in old.namelist():
            if lost is None or not name.endswith(lost):
                new.writestr(name, old.read(name))
        if added:
            new.writestr(added, '')
    with pytest.raises(CHECK['ReleaseError'], match=said):
        CHECK['check_contents'](None, changed)


def test_its_command_starts_in_a_clean_environment(wheel, tmp_path):
    python = CHECK['make_environment'](tmp_path / 'env', wheel)
    CHECK['show_help'](python, tmp_path)
    with pytest.raises(CHECK['ReleaseError'], match='ended with 2'):
        CHECK['run'](tmp_path, python.with_name('mmcvgssl'), 'nothing')
    with pytest.raises(
        CHECK['ReleaseError'], match='the wheel to be imported'
    ):
        CHECK['show_help'](Path(sys.executable), tmp_path)


def test_images_to_use_it_on(tmp_path):
    CHECK['write_images'](tmp_path)
    assert len(list((tmp_path / 'good').iterdir())) == 30
    assert len(list((tmp_path / 'new').iterdir())) == 6
