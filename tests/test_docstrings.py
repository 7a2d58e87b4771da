"""Public names are explained, each with an example that the gate runs."""

import ast
import inspect
import pkgutil
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

import mmcvgssl.models

PACKAGES = [
    *('apis', 'datasets', 'datasets.transforms', 'evaluation'),
    *('evaluation.few_shot', 'maps', 'model_file', 'models', 'selection'),
    *(
        f'models.{found.name}'
        for found in pkgutil.iter_modules(mmcvgssl.models.__path__)
        if found.ispkg
    ),
]
# names without an example, and why
WITHOUT: dict[str, str] = {}


@pytest.mark.parametrize('package', PACKAGES)
def test_each_public_name_has_an_example(package):
    module = import_module(f'mmcvgssl.{package}')
    lacking, sections = [], ('Example:', '>>> ')
    for name in module.__all__:
        found = getattr(module, name)
        if isinstance(found, ModuleType) or name in WITHOUT:
            continue
        # of its own, not that of a base class
        text = found.__dict__.get('__doc__') or found.__doc__ or ''
        if not all(section in text for section in sections):
            lacking.append(name)
    assert not lacking


def test_examples_are_run():
    skipped = [
        module.name
        for module in pkgutil.walk_packages(
            mmcvgssl.__path__, f'{mmcvgssl.__name__}.'
        )
        if '.compat' not in module.name
        and 'doctest: +SKIP' in inspect.getsource(import_module(module.name))
    ]
    assert skipped == []


def test_names_say_what_they_are():
    vague = {'anchor', 'held', 'kept', 'place', 'places', 'told'}
    found = []
    root = Path(mmcvgssl.__path__[0])
    for file in sorted(root.rglob('*.py')):
        for node in ast.walk(ast.parse(file.read_text('utf-8'))):
            names = {
                getattr(node, key, None)
                for key in ('arg', 'attr', 'id', 'name')
            }
            if names & vague:
                line = getattr(node, 'lineno', 0)
                found.append(f'{file.relative_to(root)}:{line}')
    assert not found
