"""Inferencers say what tools/predict.py says, of whatever they are given."""

import io
import json
import pickle
from collections import deque

import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from PIL import Image

from mmcvgssl.apis import (
    AnomalyInspector,
    DefectClassifier,
    DefectDetector,
    UnreadableInputsError,
)
from mmcvgssl.apis.predict import Predictor
from mmcvgssl.apis.prediction_folder import Outputs, predict_to_folder
from mmcvgssl.maps import resize_map
from mmcvgssl.model_file import ModelFile, load_model
from tests.data import picture
from tests.model_files import NAMES, write_others
from tests.test_tools.test_predict import write

SIZES = [(50, 40), (40, 40), (64, 48)]


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Write a tiny model of each kind."""
    folder = tmp_path_factory.mktemp('models')
    paths = write_others(folder)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        write(folder / 'anomaly.safetensors')
    return {'anomaly': folder / 'anomaly.safetensors', **paths}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """Write pictures of different shapes."""
    images = tmp_path_factory.mktemp('images')
    for i, size in enumerate(SIZES):
        picture(i, 64).resize(size).save(images / f'{i}.png')
    (images / 'list.txt').write_text('0.png\n1.png\n2.png\n')
    return images


@pytest.fixture(scope='module')
def inspector(files):
    return AnomalyInspector(files['anomaly'], show_progress=False)


@pytest.fixture(scope='module')
def tables(files, folder, tmp_path_factory):
    """Return what tools/predict.py writes, by kind."""
    found = {}
    for kind, path in files.items():
        out = tmp_path_factory.mktemp('out')
        limit = 0.0 if kind == 'detector' else None
        predict_to_folder(
            Predictor(path, threshold=limit),
            folder,
            out,
            outputs=Outputs(full_overlays=True),
        )
        content = json.loads((out / 'predictions.json').read_text())
        found[kind] = content['images'], out / 'overlays'
    return found


def arrays(folder):
    return [np.asarray(Image.open(folder / f'{i}.png')) for i in range(3)]


FORMS = {
    'folder': lambda folder: folder,
    'text of a folder': str,
    'list file': lambda folder: folder / 'list.txt',
    'paths': lambda folder: [folder / f'{i}.png' for i in range(3)],
    'arrays': arrays,
    'pictures': lambda folder: [Image.fromarray(a) for a in arrays(folder)],
    'opened files': lambda folder: [
        Image.open(folder / f'{i}.png') for i in range(3)
    ],
    'mixed': lambda folder: (
        str(folder / '0.png'),
        arrays(folder)[1],
        Image.open(folder / '2.png'),
    ),
}


@pytest.mark.parametrize('form', FORMS)
def test_all_forms_give_the_scores_of_the_tool(
    inspector, tables, folder, form
):
    rows, overlays = tables['anomaly']
    results = inspector(FORMS[form](folder))
    assert [r.score for r in results] == [row['score'] for row in rows]
    assert [r.verdict for r in results] == [row['verdict'] for row in rows]
    for i, (result, (width, height)) in enumerate(
        zip(results, SIZES, strict=True)
    ):
        assert result.threshold == inspector.threshold
        assert result.size == (height, width)
        assert result.map.dtype == np.float32
        np.testing.assert_array_equal(
            result.map, resize_map(result.anomaly_map, (height, width))
        )
        drawn = np.asarray(result.draw())
        expected = np.asarray(Image.open(overlays / f'{i}.png.png'))
        np.testing.assert_array_equal(drawn, expected)


def test_one_image_is_a_list_of_one(inspector, tables, folder):
    expected = tables['anomaly'][0][1]['score']
    path = folder / '1.png'
    for one in (path, str(path), arrays(folder)[1], Image.open(path)):
        (result,) = inspector(one)
        assert result.score == pytest.approx(expected, rel=1e-5)
    assert inspector(path)[0].path == str(path)
    assert inspector(arrays(folder)[1])[0].path is None
    assert inspector([]) == []


def test_an_iterator_is_taken_one_by_one(inspector, tables, folder):
    taken = []

    def images():
        for number, array in enumerate(arrays(folder)):
            taken.append(number)
            yield array

    results = inspector(images())
    assert taken == []
    rows = tables['anomaly'][0]
    for number, row in enumerate(rows):
        assert next(results).score == pytest.approx(row['score'], rel=1e-5)
        assert taken == list(range(number + 1))
    assert next(results, None) is None
    # a batch at once, where that is asked for
    assert len([*inspector(images(), batch_size=2)]) == 3


def test_worker_processes_change_nothing(inspector, folder):
    paths = [folder / f'{i}.png' for i in range(3)]
    alone = inspector(paths, batch_size=2)
    beside = inspector(iter(paths), batch_size=2, workers=1)
    assert [r.score for r in alone] == [r.score for r in beside]


def test_classes(files, tables, folder):
    inferencer = DefectClassifier(files['classifier'], show_progress=False)
    assert inferencer.classes == tuple(NAMES)
    rows, overlays = tables['classifier']
    results = inferencer(arrays(folder))
    for i, (result, row) in enumerate(zip(results, rows, strict=True)):
        assert result.label == row['label']
        assert result.probability == row['probability']
        assert result.probabilities == row['probabilities']
        expected = np.asarray(Image.open(overlays / f'{i}.png.png'))
        np.testing.assert_array_equal(np.asarray(result.draw()), expected)


def test_boxes(files, tables, folder):
    inferencer = DefectDetector(
        files['detector'], threshold=0, show_progress=False
    )
    rows, overlays = tables['detector']
    for given in (folder, arrays(folder)):
        results = inferencer(given)
        assert sum(map(len, results)) > 0
        for i, (result, row) in enumerate(zip(results, rows, strict=True)):
            assert len(result) == row['count']
            assert [*result.labels] == [b['label'] for b in row['boxes']]
            assert result.scores.tolist() == [b['score'] for b in row['boxes']]
            assert result.boxes.tolist() == [b['box'] for b in row['boxes']]
            expected = np.asarray(Image.open(overlays / f'{i}.png.png'))
            drawn = inferencer.visualize([result])[0]
            np.testing.assert_array_equal(drawn, expected)
    above = DefectDetector(files['detector'], threshold=1.0)(folder)
    assert above[0].boxes.shape == (0, 4)
    assert above[0].draw().size == SIZES[0]


def test_a_detector_that_reads_by_the_hosts_takes_arrays(
    files, folder, tmp_path
):
    content = ModelFile.read(files['detector'])
    content.images['pipeline'][0] = {'type': 'mmengine.LoadImageFromFile'}
    content.write(tmp_path / 'm.safetensors')
    inferencer = DefectDetector(tmp_path / 'm.safetensors', threshold=0)
    paths = [folder / f'{i}.png' for i in range(3)]
    for a, b in zip(
        inferencer(paths), inferencer(arrays(folder)), strict=True
    ):
        assert a.boxes.tolist() == b.boxes.tolist()


def test_a_loaded_model_and_another_threshold(files, inspector, folder):
    again = AnomalyInspector(load_model(files['anomaly']), threshold=-1)
    assert again.threshold == -1
    assert all(r.is_defective and r.threshold == -1 for r in again(folder))
    first = inspector(folder)
    assert [r.score for r in again(folder)] == [r.score for r in first]


def test_a_saved_model_is_the_same(inspector, folder, tmp_path):
    inspector.save(tmp_path / 'copy.safetensors')
    again = AnomalyInspector(tmp_path / 'copy.safetensors')
    scores = [r.score for r in inspector(folder)]
    assert [r.score for r in again(folder)] == scores


def test_results_travel_and_do_not_change(inspector, folder):
    for given in (folder / '0.png', arrays(folder)[0]):
        (result,) = inspector(given)
        again = pickle.loads(pickle.dumps(result))
        assert again.score == result.score
        drawn = np.asarray(again.draw())
        np.testing.assert_array_equal(drawn, np.asarray(result.draw()))
        with pytest.raises(AttributeError):
            result.score = 0.0


def test_bars(inspector, folder, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr('mmcvgssl.progress.on_terminal', lambda: True)
        inspector(folder, show_progress=True)
        assert '3/3' in capsys.readouterr().err
        list(inspector(iter([folder / '0.png']), show_progress=True))
        assert '1image' in capsys.readouterr().err
    inspector(folder, show_progress=True)  # where nobody sees it move
    inspector(folder)
    inspector(folder / '0.png', show_progress=True)
    list(AnomalyInspector(inspector.loaded)(iter([folder / '0.png'])))
    assert capsys.readouterr().err == ''


def test_unreadable_images(inspector, folder, tmp_path):
    broken = tmp_path / 'broken.png'
    broken.write_bytes(b'no image')
    given = [folder / '0.png', broken, np.zeros((0, 0), np.uint8)]
    with pytest.raises(UnreadableInputsError, match=r'broken\.png') as caught:
        inspector(given)
    assert str(caught.value).startswith('2 of 3 images cannot be read')
    with pytest.raises(UnreadableInputsError) as alone:
        inspector(broken)
    assert str(alone.value).startswith(str(broken))
    kept = inspector(given, on_error='keep')
    for results in (caught.value.results, kept):
        good, bad, nothing = results
        assert good.error is None
        assert good.score is not None
        assert 'broken.png' in bad.error
        assert nothing.error.startswith('images[2]: ')
        assert bad.score is bad.verdict is bad.map is None
        with pytest.raises(ValueError, match=r'broken\.png'):
            bad.draw()
        with pytest.raises(ValueError, match=r'broken\.png'):
            _ = bad.is_defective
    stream = inspector(iter(given))
    assert next(stream).score == good.score
    with pytest.raises(UnreadableInputsError, match=r'broken\.png'):
        next(stream)
    stream = inspector(iter(given), on_error='keep')
    assert [r.error is None for r in stream] == [True, False, False]


def test_a_file_that_is_another_by_now(inspector, tmp_path):
    path = tmp_path / '0.png'
    picture(0, 40).save(path)
    (result,) = inspector(path)
    picture(0, 50).save(path)
    with pytest.raises(ValueError, match='had 40 x 40 pixels'):
        result.draw()


@pytest.mark.parametrize(
    ('given', 'error', 'said'),
    [
        ('missing.png', FileNotFoundError, 'missing.png'),
        ([np.zeros((4, 4), np.uint8), 'missing.png'], OSError, 'images[1]'),
        (['.'], OSError, 'pass a folder by itself'),
        ([None], TypeError, 'images[0]: expected a path'),
        ([[np.zeros((4, 4), np.uint8)]], TypeError, 'got list'),
        (torch.zeros(3, 4, 4), TypeError, 'permute'),
        ([torch.zeros(3, 4, 4)], TypeError, 'permute'),
        ('', ValueError, 'the path of the images is empty'),
        (['', '0.png'], OSError, 'images[0]'),
        ([None, 'missing.png'], TypeError, 'images[0]'),
        (b'bytes', TypeError, 'PIL.Image.open(io.BytesIO(data))'),
        (io.BytesIO(b''), TypeError, 'got BytesIO; open bytes by'),
        ([b'bytes'], TypeError, 'images[0]: expected a path'),
        ({'a': 'b'}, TypeError, 'got dict'),
        (7, TypeError, 'got int'),
    ],
)
def test_inputs_that_are_no_images(inspector, given, error, said):
    with pytest.raises(error) as caught:
        inspector(given)
    assert said in str(caught.value)
    if error is TypeError:  # nor is it worth keeping
        with pytest.raises(error):
            inspector(given, on_error='keep')


def test_what_is_gone_through(inspector, folder):
    paths = [str(folder / f'{i}.png') for i in range(3)]
    expected = [r.score for r in inspector(paths)]
    for several in (tuple(paths), deque(paths), dict.fromkeys(paths).keys()):
        assert [r.score for r in inspector(several)] == expected
    for lazily in (iter(paths), map(str, paths), (p for p in paths)):
        found = inspector(lazily)
        assert not isinstance(found, list)
        scores = [r.score for r in found]
        assert scores == pytest.approx(expected, rel=1e-5)


def test_what_an_iterator_raises_is_passed_on(inspector, folder):
    def camera():
        yield folder / '0.png'
        raise RuntimeError('the camera is gone')

    results = inspector(camera())
    assert next(results).score is not None
    with pytest.raises(RuntimeError, match='the camera is gone'):
        next(results)


@pytest.mark.parametrize('side', [1, 2, 7])
def test_tiny_images_are_drawn_on(files, side):
    image = np.full((side, 3 * side, 3), 200, np.uint8)
    for kind, inferencer in (
        ('anomaly', AnomalyInspector),
        ('classifier', DefectClassifier),
        ('detector', DefectDetector),
    ):
        (result,) = inferencer(files[kind])(image)
        assert result.draw().size == (3 * side, side)


@pytest.mark.parametrize('device', ['gpu', 'cuda:99', 7.5])
def test_devices_that_are_not_there(files, device):
    with pytest.raises(ValueError, match='expected a device'):
        AnomalyInspector(files['anomaly'], device=device)


@pytest.mark.parametrize(
    'options', [{'batch_size': 0}, {'workers': -1}, {'on_error': 'skip'}]
)
def test_options_out_of_range(inspector, folder, options):
    with pytest.raises(ValueError, match=next(iter(options))):
        inspector(folder, **options)


@pytest.mark.parametrize(
    ('inferencer', 'kind', 'right'),
    [
        (AnomalyInspector, 'classifier', 'use DefectClassifier'),
        (AnomalyInspector, 'detector', 'use DefectDetector'),
        (DefectClassifier, 'anomaly', 'use AnomalyInspector'),
        (DefectDetector, 'classifier', 'use DefectClassifier'),
    ],
)
def test_a_model_of_another_kind(files, inferencer, kind, right):
    for model in (files[kind], load_model(files[kind])):
        with pytest.raises(ValueError, match=right):
            inferencer(model)


@pytest.mark.parametrize(
    ('name', 'said'),
    [
        ('model.onnx', 'expected an exported model, found no'),
        ('model.xml', 'expected an exported model, found no'),
        ('epoch_1.pth', 'export-model'),
        ('config.py', 'a config'),
        ('model.safetensors', 'no model file'),
        ('other', 'no model file'),
    ],
)
def test_files_that_are_no_models(tmp_path, name, said):
    with pytest.raises((FileNotFoundError, ValueError), match=said):
        AnomalyInspector(tmp_path / name)
    with pytest.raises(TypeError, match='got a NoneType'):
        AnomalyInspector(None)


def test_a_file_of_another_version(files, tmp_path, monkeypatch):
    path = tmp_path / 'later.safetensors'
    content = ModelFile.read(files['anomaly'])
    monkeypatch.setattr('mmcvgssl.model_file.model_file.VERSIONS', (98, 99))
    content.write(path)
    monkeypatch.undo()
    with pytest.raises(ValueError, match=r'version 9[89]'):
        AnomalyInspector(path)
