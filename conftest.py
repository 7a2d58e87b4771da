"""Fixtures of tests and of the examples in docstrings."""

import shutil
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from mmengine.logging import MMLogger
from mmengine.utils import ManagerMixin


@pytest.fixture(scope='session', autouse=True)
def no_collection():
    """Keep data sets from collecting garbage of the whole process.

    mmengine does so for each data set it makes, to save memory. Among all
    that tests import, it took three quarters of their time.
    """
    idle = SimpleNamespace(collect=lambda: 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmengine.dataset.base_dataset.gc', idle)
        yield


def managers() -> list[type[ManagerMixin]]:
    """Return mmengine's classes whose instances a process has by name."""
    found = [ManagerMixin]
    for kind in found:
        found += kind.__subclasses__()
    return found


@contextmanager
def instances_restored():
    """Leave mmengine's scopes, loggers and visualizers as they were.

    A logger writes to the output, and a visualizer to the folder, of the test
    that made it, also where another asks for one of the same name.
    """
    before = {kind: kind._instance_dict.copy() for kind in managers()}
    yield
    for kind in managers():
        kind._instance_dict.clear()
        kind._instance_dict.update(before.get(kind, {}))


@pytest.fixture(scope='module', autouse=True)
def instances_of_module():
    """No file of tests finds the scope or logger that another has set."""
    with instances_restored():
        yield


@pytest.fixture(autouse=True)
def instances_of_test():
    """No test finds the scope or logger that another has set.

    A logger that a fixture of the file has made is not found either, as it
    writes to the output of the fixture.
    """
    with instances_restored():
        MMLogger._instance_dict.clear()
        yield


@pytest.fixture(scope='session')
def example_folder(tmp_path_factory):
    """Write the images and configs that examples name."""
    # here, as the hosts can be imported as soon as the package is
    from tests.examples import write_example_folder

    folder = tmp_path_factory.mktemp('examples') / 'folder'
    with instances_restored():
        write_example_folder(folder)
    return folder


@pytest.fixture(autouse=True)
def around_examples(request, tmp_path, monkeypatch, instances_of_test):
    """Run an example in a folder of its own, without the package's log.

    The log is opened before the example, whose output it would be part of.
    """
    if isinstance(request.node, pytest.DoctestItem):
        home = request.getfixturevalue('example_folder')
        shutil.copytree(home, tmp_path, dirs_exist_ok=True)
        monkeypatch.chdir(tmp_path)
        MMLogger.get_current_instance()
