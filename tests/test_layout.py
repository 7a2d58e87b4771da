"""Files are named for their classes, and none is long."""

import ast
import subprocess
from pathlib import Path

import pytest

from tests.data import ROOT

PACKAGE = ROOT / 'mmcvgssl'


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


def test_no_module_is_long():
    files = [*PACKAGE.rglob('*.py'), *(ROOT / 'tools').rglob('*.py')]
    lines = {
        path.relative_to(ROOT).as_posix(): path.read_text('utf-8').count('\n')
        for path in files
    }
    assert len(lines) > 300
    assert {path: n for path, n in lines.items() if n > 400} == {}


def test_nothing_that_is_needed_is_ignored():
    """A file that a pattern of .gitignore takes is in no copy."""
    if not (ROOT / '.git').exists():
        pytest.skip('this is no copy of the repository')
    homes = ('configs', 'docs', 'mmcvgssl', 'tests', 'tools')
    listed = subprocess.run(
        [
            *('git', 'ls-files', '--others', '--ignored'),
            *('--exclude-standard', '--', *homes),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    made = ('__pycache__/', 'mmcvgssl/.mim')
    assert [f for f in listed if not any(m in f for m in made)] == []
