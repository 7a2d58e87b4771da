"""Without mmyolo all else works, and what needs it names the extra."""

import pytest

from mmcvgssl import compat

SETUP = """
import mmcvgssl
from mmengine.config import Config
from mmengine.hub import get_config
from mmengine.registry import MODELS, DefaultScope
def lazy():
    open('lazy.py', 'w').write(
        'from mmengine.config import read_base\\n'
        'with read_base():\\n'
        '    from mmyolo.configs.x import *\\n')
    Config.fromfile('lazy.py')
def based():
    open('based.py', 'w').write("_base_ = 'mmyolo::yolov8/x.py'")
    Config.fromfile('based.py')
def scoped():
    DefaultScope.get_instance('test', scope_name='mmyolo')
    MODELS.build(dict(type='YOLODetector'))
"""
CALLS = {
    'base': 'based()',
    'lazy base': 'lazy()',
    'hub': 'get_config("mmyolo::yolov8/x.py")',
    'type': 'MODELS.build(dict(type="mmyolo.YOLODetector"))',
    'nested scope': 'MODELS.build(dict(type="X", _scope_="mmyolo"))',
    'default scope': 'scoped()',
}


@pytest.fixture
def without_mmyolo(run_python, site_without):
    site = site_without('mmyolo')

    def run(code):
        return run_python(code, site, options=['-S'])

    return run


def test_a_config_that_needs_mmyolo_names_the_extra(without_mmyolo):
    code = SETUP
    for name, call in CALLS.items():
        code += (
            f'try:\n    {call}\n'
            f'except ImportError as error:\n    print({name!r}, error)\n'
        )
    done = without_mmyolo(code)
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stdout.splitlines() if 'mmyolo' in line]
    assert len(lines) == len(CALLS)
    for name, line in zip(CALLS, lines, strict=True):
        assert line.startswith(name)
        assert 'pip install "mmcvgssl[yolo]"' in line


def test_everything_else_works(without_mmyolo):
    """Probes for mmyolo say no, and the other hosts import and build."""
    done = without_mmyolo(
        'import importlib.util, mmcvgssl\n'
        'import mmdet.models, mmpretrain.models\n'
        'from mmengine.registry import MODELS\n'
        'from mmengine.utils import is_installed\n'
        'assert importlib.util.find_spec("mmyolo") is None\n'
        'assert not is_installed("mmyolo")\n'
        'print(type(MODELS.build(dict(type="mmdet.L1Loss"))).__name__)'
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == 'L1Loss'


def test_with_mmyolo_the_hosts_are_untouched():
    from mmengine.registry import Registry

    pytest.importorskip('mmyolo')
    assert Registry.get.__module__ == 'mmengine.registry.registry'
    assert not hasattr(Registry.get, '__wrapped__')


@pytest.mark.parametrize(
    ('package', 'want'),
    [
        ('mmyolo', 'pip install "mmcvgssl[yolo]"'),
        ('mlflow', 'pip install "mmcvgssl[track]"'),
        ('other', 'pip install other'),
    ],
)
def test_require(monkeypatch, package, want):
    from mmcvgssl.compat import hosts

    monkeypatch.setattr(hosts, '_found', lambda name: False)
    with pytest.raises(ModuleNotFoundError) as caught:
        compat.require(package)
    assert want in str(caught.value)
    assert caught.value.name == package
    monkeypatch.setattr(hosts, '_found', lambda name: name == package)
    compat.require(package)
