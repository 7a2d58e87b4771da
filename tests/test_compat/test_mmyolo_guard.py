"""mmyolo's version guard, which only its own import may see satisfied."""

import pytest

PACKAGE = """
import mmcv
seen = mmcv.__version__
{rest}
"""


@pytest.fixture
def fake_mmyolo(tmp_path):
    """A package of that name that notes what it sees."""

    def build(rest=''):
        folder = tmp_path / 'fake' / 'mmyolo'
        folder.mkdir(parents=True)
        (folder / '__init__.py').write_text(PACKAGE.format(rest=rest))
        (folder / 'inner.py').write_text(
            'import mmcv\nseen = mmcv.__version__'
        )
        (folder / 'data.txt').write_text('data')
        return folder.parent

    return build


def test_shown_only_during_the_import(run_python, fake_mmyolo):
    table = {'2.3.6': '2.0.1', '2.1.0': '2.0.1', '2.0.0': '2.0.0'}
    done = run_python(
        'import sys, mmcvgssl, mmcv\n'
        f'for true in {list(table)}:\n'
        '    mmcv.__version__ = true\n'
        '    import mmyolo, mmyolo.inner\n'
        '    print(mmyolo.seen, mmyolo.inner.seen, mmcv.__version__)\n'
        '    del sys.modules["mmyolo"], sys.modules["mmyolo.inner"]',
        fake_mmyolo(),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f'{seen} {true} {true}' for true, seen in table.items()
    ]


def test_restored_when_the_import_fails(run_python, fake_mmyolo):
    done = run_python(
        'import mmcvgssl, mmcv\n'
        'mmcv.__version__ = "2.3.6"\n'
        'try:\n'
        '    import mmyolo\n'
        'except ZeroDivisionError:\n'
        '    print(mmcv.__version__)',
        fake_mmyolo('1 / 0'),
    )
    assert done.stdout.strip() == '2.3.6', done.stderr


def test_the_package_keeps_its_own_loader(run_python, fake_mmyolo):
    """Sources and package data are found through the wrapped loader."""
    done = run_python(
        'import inspect, pkgutil, mmcvgssl, mmyolo\n'
        'from importlib.resources import files\n'
        'print(pkgutil.get_data("mmyolo", "data.txt").decode())\n'
        'print((files("mmyolo") / "data.txt").read_text())\n'
        'print("seen" in inspect.getsource(mmyolo))',
        fake_mmyolo(),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ['data', 'data', 'True']
