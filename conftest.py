"""Fixtures of tests and of the examples in docstrings."""

from types import SimpleNamespace

import pytest
from mmengine.logging import MMLogger


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


@pytest.fixture(autouse=True)
def log_apart(request):
    """Open the log before an example, whose output it would be part of."""
    if isinstance(request.node, pytest.DoctestItem):
        MMLogger.get_current_instance()
