"""Inferencers take exported files as they take model files."""

import numpy as np
import pytest
from PIL import Image

from mmcvgssl.apis import AnomalyInspector, DefectClassifier, DefectDetector
from mmcvgssl.export import exported_model
from tests.test_export.examples import Brightness

REDS = {'1.png': 40, '2.png': 200}


@pytest.fixture
def images(tmp_path):
    """Two pictures of different red."""
    for name, red in REDS.items():
        picture = np.zeros((20, 30, 3), np.uint8)
        picture[..., 0] = red
        Image.fromarray(picture).save(tmp_path / name)
    return tmp_path


@pytest.fixture
def exported(monkeypatch):
    """Have a file of any name be an exported model of a kind."""

    def put(kind='anomaly', **fields):
        engine = Brightness(kind=kind, **fields)
        monkeypatch.setattr(exported_model, 'open_engine', lambda *_: engine)
        return 'model.onnx'

    return put


def arrays(folder):
    return [np.asarray(Image.open(folder / name)) for name in REDS]


FORMS = {
    'folder': lambda folder: folder,
    'paths': lambda folder: [folder / name for name in REDS],
    'arrays': arrays,
    'pictures': lambda folder: [Image.fromarray(a) for a in arrays(folder)],
    'mixed': lambda folder: [folder / '1.png', arrays(folder)[1]],
    'iterator': lambda folder: iter(arrays(folder)),
}


@pytest.mark.parametrize('form', FORMS)
def test_all_forms_are_taken(form, images, exported):
    inspector = AnomalyInspector(exported(), show_progress=False)
    results = list(inspector(FORMS[form](images), batch_size=2))
    assert [r.score for r in results] == pytest.approx([40 / 255, 200 / 255])
    assert [r.verdict for r in results] == ['good', 'defective']
    for result in results:
        assert (result.threshold, result.size) == (0.5, (20, 30))
        assert result.map.shape == (20, 30)
        assert result.draw().size == (30, 20)
    strict = AnomalyInspector(exported(), threshold=0.1)
    assert strict(FORMS['paths'](images))[0].is_defective


def test_classes_have_names(images, exported):
    name = exported('classifier', classes=['a', 'b'])
    classifier = DefectClassifier(name, show_progress=False)
    assert classifier.classes == ('a', 'b')
    assert [r.label for r in classifier(images)] == ['b', 'a']


def test_deep_pictures_need_a_range(images, exported):
    deep = arrays(images)[1].astype(np.uint16) * 16
    with pytest.raises(OSError, match=r'images\[0\]: .* depth_range='):
        AnomalyInspector(exported())(deep)
    reading = dict(page=None, max_pixels=None, input_size=None)
    reading['depth_range'] = (0, 4080)
    (result,) = AnomalyInspector(exported(reading=reading))(deep)
    assert result.score == pytest.approx(200 / 255)


@pytest.mark.parametrize(
    ('call', 'words'),
    [
        (lambda name: DefectDetector(name), 'use AnomalyInspector'),
        (lambda name: AnomalyInspector(name, device='cuda'), 'on the CPU'),
        (lambda name: AnomalyInspector(name).save('a'), 'is exported, and'),
        (lambda name: AnomalyInspector(name).update('a'), 'is exported, and'),
        (lambda name: AnomalyInspector(name).model, 'is exported, and'),
    ],
)
def test_what_an_exported_file_cannot_do_is_said(call, words, exported):
    with pytest.raises(ValueError, match=words) as caught:
        call(exported())
    assert 'model.onnx' in str(caught.value)
