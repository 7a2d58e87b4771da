"""Where things are: files are named for classes, imports point down."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data import ROOT

PACKAGE = ROOT / 'mmcvgssl'
# what a part may import stands before it
FLOORS = [
    *('version', 'utils', 'registry', 'randomness', 'interrupts'),
    *('precision', 'processes', 'compat', 'locks', 'env', 'provenance'),
    *('weights', 'datasets', 'maps', 'evaluation', 'models', 'model_file'),
    *('engine', 'apis'),
]
# maps that are read as images are
DATA_SETS_OF_MAPS = {
    'datasets/anomaly_map_dataset.py',
    'datasets/transforms/load_anomaly_map.py',
    'datasets/transforms/map_crop.py',
}


def public(tree: ast.Module, *kinds: type) -> list[str]:
    """Return public names that a module defines."""
    return [
        node.name
        for node in tree.body
        if isinstance(node, kinds) and not node.name.startswith('_')
    ]


def is_named_for_its_class(stem: str, source: str) -> bool:
    """Whether a module of one public class alone is called as it is."""
    tree = ast.parse(source)
    classes = public(tree, ast.ClassDef)
    if len(classes) != 1 or public(tree, ast.FunctionDef):
        return True
    return stem.replace('_', '') == classes[0].lower()


def imported(source: str) -> Iterator[str]:
    """Name what a module imports, in functions, too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f'{node.module}.{name.name}' for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def floors_of(source: str) -> set[str]:
    """Return the parts of the package that a module imports."""
    parts = [name.split('.') for name in imported(source)]
    found = {p[1] for p in parts if p[0] == 'mmcvgssl' and len(p) > 1}
    return found & {*FLOORS}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob('*.py'))


def test_a_module_of_one_class_is_named_for_it():
    odd = [
        path.relative_to(ROOT).as_posix()
        for path in modules()
        if path.name != '__init__.py'
        and not is_named_for_its_class(path.stem, path.read_text())
    ]
    assert odd == []


@pytest.mark.parametrize(
    ('stem', 'source', 'expected'),
    [
        ('map_loop', 'class MapLoop: ...', True),
        ('cvgssl_head', 'class CVGSSLHead: ...', True),
        ('loop', 'class MapLoop: ...', False),
        ('loop', 'class MapLoop: ...\nclass _Part: ...', False),
        ('loop', 'class MapLoop: ...\ndef run(): ...', True),
        ('loop', 'class MapLoop: ...\ndef _run(): ...', False),
        ('loops', 'class MapLoop: ...\nclass FitLoop: ...', True),
        ('text', 'def read(): ...', True),
    ],
)
def test_names_are_compared(stem, source, expected):
    assert is_named_for_its_class(stem, source) == expected


def test_imports_point_down():
    """A floor for each part, and none imports from a higher one."""
    wrong, seen = [], set()
    for path in modules():
        inner = path.relative_to(PACKAGE)
        own = inner.parts[0].removesuffix('.py')
        if own == '__init__':
            continue
        seen.add(own)
        above = FLOORS[FLOORS.index(own) + 1 :] if own in FLOORS else FLOORS
        found = floors_of(path.read_text()) & {*above}
        if inner.as_posix() in DATA_SETS_OF_MAPS:
            found -= {'maps'}
        wrong += [f'{inner} imports {part}' for part in sorted(found)]
    assert wrong == []
    assert seen == {*FLOORS}


def test_imports_in_functions_are_seen():
    source = 'import mmcvgssl.maps\ndef f():\n    from mmcvgssl import apis\n'
    assert floors_of(source) == {'maps', 'apis'}
    source = 'if TYPE_CHECKING:\n    from mmcvgssl.apis.fit import fit_model\n'
    assert floors_of(source) == {'apis'}
