"""Imports point down, and the page that shows them is up to date."""

import importlib.util

import pytest

from tests.data import ROOT


@pytest.fixture
def tool():
    """Load tools/draw_architecture.py as a module of its own."""
    spec = importlib.util.spec_from_file_location(
        'draw_architecture', ROOT / 'tools' / 'draw_architecture.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def tree(tool, tmp_path, monkeypatch):
    """Write a package of empty parts on the floors of this one."""
    for name in (name for floor in tool.FLOORS for name in floor):
        folder = tmp_path / tool.PACKAGE / name
        folder.mkdir(parents=True)
        (folder / '__init__.py').write_text(
            '"""Stands on no other package."""'
        )
    monkeypatch.setattr(tool, 'ROOT', tmp_path)
    return tmp_path / tool.PACKAGE


def test_page_and_picture_are_up_to_date(tool, monkeypatch, capsys):
    monkeypatch.setattr('sys.argv', ['draw_architecture.py', '--check'])
    assert tool.main() == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    'line',
    [
        'from mmcvgssl.apis import load_config',
        'from mmcvgssl import apis',
        'import mmcvgssl.apis.fit',
        'from ..apis.fit import fit_model',
        'def late():\n    from mmcvgssl.apis import fit',
    ],
)
def test_an_import_that_points_up_is_refused(tool, tree, line):
    (tree / 'maps' / 'new.py').write_text(f'\n{line}\n')
    with pytest.raises(tool.LayoutError, match=r'maps/new.py:\d imports apis'):
        tool.read_imports()


def test_imports_of_one_floor_are_refused(tool, tree):
    (tree / 'weights' / 'new.py').write_text('import mmcvgssl.provenance')
    with pytest.raises(tool.LayoutError, match='no lower floor than weights'):
        tool.read_imports()


def test_imports_that_point_down_are_read(tool, tree):
    (tree / 'maps' / 'new.py').write_text('from mmcvgssl.datasets import x')
    (tree / 'apis' / 'new.py').write_text(
        'from mmcvgssl import datasets\nfrom mmcvgssl.maps import x'
    )
    edges = tool.read_imports()
    assert edges['maps'] == {'datasets'}
    assert edges['apis'] == {'datasets', 'maps'}
    assert tool.direct(edges)['apis'] == {'maps'}
    with pytest.raises(tool.LayoutError, match='``datasets``, ``maps``'):
        tool.check_docs(edges)


def test_a_part_without_a_floor_is_named(tool, tree):
    (tree / 'attic.py').write_text('')
    with pytest.raises(tool.LayoutError, match='differ in attic'):
        tool.read_imports()


def test_a_step_that_is_not_there_is_named(tool, monkeypatch):
    monkeypatch.setitem(
        tool.WALKS, 'Pretraining', [('tools/train.py', 'start', 'starts')]
    )
    with pytest.raises(tool.LayoutError, match=r'no start in tools/train\.py'):
        tool.tables(tool.read_imports())
