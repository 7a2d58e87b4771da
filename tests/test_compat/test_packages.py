"""Finding installed packages where ``pkg_resources`` is gone."""

import types

import pytest

from mmcvgssl.compat import packages


def test_is_installed():
    assert packages.is_installed('torch')
    assert packages.is_installed('json')  # a module without distribution
    assert not packages.is_installed('no-such-package')


def test_installed_path_is_that_of_the_module(tmp_path, monkeypatch):
    """Also where the distribution has another name, as mmcv-lite has."""
    (tmp_path / 'some_module').mkdir()
    (tmp_path / 'some_module' / '__init__.py').touch()
    record = tmp_path / 'some_lite-1.0.dist-info'
    record.mkdir()
    (record / 'METADATA').write_text('Name: some-lite\nVersion: 1.0\n')
    (record / 'top_level.txt').write_text('some_module\n')
    monkeypatch.syspath_prepend(tmp_path)
    want = str(tmp_path / 'some_module')
    assert packages.is_installed('some-lite')
    assert packages.get_installed_path('some-lite') == want
    assert packages.get_installed_path('some_module') == want


def test_a_missing_package_is_named():
    with pytest.raises(ModuleNotFoundError, match='pip install no-such'):
        packages.get_installed_path('no-such')


def test_only_functions_that_need_pkg_resources_are_replaced():
    def get_installed_path(package):
        import pkg_resources

        return pkg_resources

    def is_installed(package):
        return 'own'

    module = types.ModuleType('host')
    module.get_installed_path = get_installed_path
    module.is_installed = is_installed
    packages._replace(module)
    assert module.get_installed_path is packages.get_installed_path
    assert module.is_installed is is_installed


@pytest.mark.parametrize('early', [True, False])
def test_a_base_of_another_package(run_python, original_paths, early):
    """Whether mmengine was imported before or after mmcvgssl."""
    imports = ['import mmengine', 'import mmcvgssl']
    code = '\n'.join(imports if early else imports[::-1])
    done = run_python(
        f'{code}\n'
        'from mmengine.config import Config\n'
        'base = "mmpretrain::resnet/resnet18_8xb32_in1k.py"\n'
        'open("c.py", "w").write(f"_base_ = {base!r}")\n'
        'print(Config.fromfile("c.py").model.backbone.depth)',
        *original_paths,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == '18'
