"""Models that are served, and servers of them."""

import pytest

from mmcvgssl.apis import FewShotClassifier
from mmcvgssl.serving import Address, Limits, Server
from mmcvgssl.serving.served_model import ServedModel
from mmcvgssl.serving.sessions import Sessions
from tests.photographs import write_photographs
from tests.test_export.examples import Brightness


@pytest.fixture(scope='session')
def photographs(tmp_path_factory):
    """Write parts of two photographs; return their paths by photograph."""
    return write_photographs(tmp_path_factory.mktemp('photographs'), 8)


@pytest.fixture(scope='session')
def classifier(photographs, tmp_path_factory):
    """Write a classifier that has learned from three images a class."""
    file = tmp_path_factory.mktemp('classifier') / 'few.safetensors'
    given = {name: paths[:2] for name, paths in photographs.items()}
    FewShotClassifier.fit(given, size=64, show_progress=False).save(file)
    return file


@pytest.fixture
def brightness(monkeypatch, tmp_path):
    """Serve an exported model of a kind, which computes brightness."""

    def served(kind='anomaly', **fields):
        engine = Brightness(kind=kind, **fields)
        monkeypatch.setattr(
            'mmcvgssl.serving.served_model.open_engine', lambda _: engine
        )
        file = tmp_path / 'model.onnx'
        file.touch()
        return ServedModel(str(file))

    return served


@pytest.fixture
def visitors():
    """Open the sessions of a model, until the end of the test."""
    opened = []

    def opening(served, **limits):
        opened.append(Sessions(served, Limits(**limits)))
        return opened[-1]

    yield opening
    for sessions in opened:
        sessions.__exit__()


@pytest.fixture
def serving():
    """Serve a model until the end of the test."""
    servers = []

    def serve(model, **options):
        limits = Limits(**options.pop('limits', {}))
        address = Address.take(port=0, **options)
        servers.append(Server(str(model), address, limits))
        servers[-1].start()
        return servers[-1]

    yield serve
    for server in servers:
        server.__exit__()
