"""Imports are cheap, and change nothing that was there."""

import importlib
import sys

import pytest

import mmcvgssl
from mmcvgssl.lazy import lazy_names
from tests.test_compat.conftest import (  # noqa: F401
    host_paths,
    run_python,
)

HEAVY = ('torch', 'mmengine', 'mmcv', 'mmdet', 'mmpretrain', 'numpy', 'cv2')
NONE = f'assert not {{*sys.modules}} & {{*{HEAVY}}}, sys.modules.keys()'
BEFORE = """
import random, sys
import torch
import mmengine.runner
random.seed(0)
state = random.getstate()
import mmcvgssl
assert random.getstate() == state
from mmengine.runner import checkpoint
assert any(
    getattr(checkpoint, name, None) is not None
    and 'mmcvgssl' in type(getattr(checkpoint, name)).__module__
    + getattr(getattr(checkpoint, name), '__module__', '')
    for name in ('torch', '_safe_torch_load')
)
known = [str(g) for g in torch.serialization.get_safe_globals()]
assert any('HistoryBuffer' in name for name in known)
from mmengine.registry import MODELS
assert MODELS.get('mmcvgssl.PatchCore').__name__ == 'PatchCore'
assert MODELS.get('mmdet.FCOS').__name__ == 'FCOS'
"""


def test_metadata_need_no_host(run_python):  # noqa: F811
    done = run_python(
        'import sys, random\n'
        'state = random.getstate()\n'
        'import mmcvgssl, mmcvgssl.apis\n'
        f'{NONE}\n'
        'from mmcvgssl.apis import list_models\n'
        'assert "patchcore_lite0_folder" in list_models()\n'
        'assert "torch" not in sys.modules\n'
        'assert "sklearn" not in sys.modules\n'
        'import rich.progress\n'
        'assert random.getstate() == state\n'
        'print(mmcvgssl.__version__)\n'
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == mmcvgssl.__version__


def test_hosts_may_be_there_before(run_python, host_paths):  # noqa: F811
    done = run_python(BEFORE, *host_paths)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.parametrize('name', ['apis', 'datasets', 'maps', 'provenance'])
def test_each_name_is_found(name):
    package = importlib.import_module(f'mmcvgssl.{name}')
    assert {*package.__all__} <= {*vars(package)['_lazy_homes']}
    assert {*package.__all__} <= {*dir(package)}
    for each in package.__all__:
        assert getattr(package, each) is getattr(package, each)
    with pytest.raises(AttributeError, match='no attribute'):
        _ = package.no_such_name


def test_a_module_does_not_hide_its_function(tmp_path, monkeypatch):
    home = tmp_path / 'some_parts'
    home.mkdir()
    (home / '__init__.py').write_text('')
    (home / 'load.py').write_text('def load(): return 1\nother = 2\n')
    (home / 'plain.py').write_text('value = 3\n')
    monkeypatch.syspath_prepend(tmp_path)
    package = importlib.import_module('some_parts')
    lazy_names(
        'some_parts',
        {'load': '.load', 'other': '.load', 'plain': '.plain', 'path': 'os'},
    )
    importlib.import_module('some_parts.load')
    importlib.import_module('some_parts.plain')
    assert package.load() == 1
    assert package.other == 2
    assert package.plain.value == 3
    assert package.path is sys.modules['os'].path
    assert 'other' in dir(package)
    for name in [n for n in sys.modules if n.startswith('some_parts')]:
        monkeypatch.delitem(sys.modules, name)
