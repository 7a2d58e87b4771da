"""Without mmyolo all else works, and what needs it names the extra."""

import pytest

from mmcvgssl import compat
from tests.data import ROOT

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


ELSE = """
import importlib.util, sys
from pathlib import Path
import mmcvgssl
import mmdet.models, mmpretrain.models
from mmengine.registry import MODELS, init_default_scope
from mmengine.utils import is_installed
assert importlib.util.find_spec('mmyolo') is None
assert not is_installed('mmyolo')
print(type(MODELS.build(dict(type='mmdet.L1Loss'))).__name__)

sys.path.insert(0, REPO)
from mmcvgssl.apis import load_config
from mmcvgssl.pipeline.stage import find_config, read_stages
from tests.boxes import make_runner, write_boxes, write_surfaces
from tests.data import CONFIGS
paths = {p for p in CONFIGS.rglob('*.py') if '_base_' not in p.parts}
paths = {p for p in paths if 'rtmdet' in p.stem or 'cspnext' in p.stem}
plans = {p for p in paths if p.parent.name == 'pipelines'}
for plan in plans:
    for stage in read_stages(load_config(plan)).values():
        if stage.tool == 'train':
            assert find_config(stage.config).resolve() in paths
for path in paths - plans:
    cfg = load_config(path)
    init_default_scope(cfg.default_scope)
    if 'lite0' not in path.stem:  # a teacher has weights
        print('built', type(MODELS.build(cfg.model).backbone).__name__)
root = write_surfaces(Path('surfaces').resolve())
write_boxes(root / 'boxes.json', ['a', 'b'])
options = {'data_root': str(root), 'classes': ('a', 'b')}
options |= dict.fromkeys(('ann_file', 'test_ann_file'), 'boxes.json')
name = 'detection/rtmdet/rtmdet_tiny_1xb16-300e_coco-format.py'
runner = make_runner(CONFIGS / name, root / 'run', options)
runner.train()
print((root / 'run/epoch_1.pth').is_file(), 'checkpoint')
"""


def test_everything_else_works(without_mmyolo):
    """Probes for mmyolo say no; other hosts build, RTMDet trains."""
    done = without_mmyolo(f'REPO = {str(ROOT)!r}\n{ELSE}')
    assert done.returncode == 0, done.stderr
    assert 'L1Loss' in done.stdout.split()
    assert done.stdout.count('built CSPNeXt') == 9
    assert 'True checkpoint' in done.stdout


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
