"""The runtime reads, prepares and writes, with neither torch nor a host."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmcv.transforms import Resize

from mmcvgssl.apis.exported_predictor import ExportedPredictor
from mmcvgssl.apis.prediction_folder import Outputs, predict_to_folder
from mmcvgssl.export import preparation
from mmcvgssl.export.engines import open_engine
from mmcvgssl.export.exported_model import ExportedModel
from mmcvgssl.export.metadata import ExportedFileError
from mmcvgssl.export.preparation import INTERPOLATIONS, picture_of, prepare
from mmcvgssl.provenance import Provenance
from tests.test_export.examples import Brightness


@pytest.fixture
def images(tmp_path):
    """Two pictures, a broken one, and one in a folder."""
    folder = tmp_path / 'images'
    (folder / 'more').mkdir(parents=True)
    for name, red in (('1.png', 40), ('2.png', 200), ('more/3.png', 140)):
        picture = np.zeros((20, 30, 3), np.uint8)
        picture[..., 2] = red
        cv2.imwrite(str(folder / name), picture)
    (folder / '4.png').write_bytes((folder / '1.png').read_bytes()[:60])
    return folder


def test_it_is_imported_without_torch_and_hosts(bare):
    code = (
        'import importlib.util as u; import mmcvgssl.apis.exported_predictor; '
        'print([n for n in ("torch", "mmengine", "mmcv", "matplotlib") if '
        'u.find_spec(n)])'
    )
    assert bare('-c', code).stdout == '[]\n'


@pytest.mark.parametrize('interpolation', INTERPOLATIONS)
@pytest.mark.parametrize('size', [(60, 97), (12, 8), (8, 8)])
def test_pictures_are_resized_as_the_transform_does(interpolation, size):
    picture = picture_of(61, 97)
    width, height = size
    step = dict(
        step='resize', width=width, height=height, interpolation=interpolation
    )
    resize = Resize(scale=size, interpolation=interpolation)
    expected = resize({'img': picture})['img']
    assert np.array_equal(prepare(picture, [step]), expected[..., ::-1])


def test_another_opencv_is_said(monkeypatch):
    engine = Brightness()
    assert not ExportedModel(engine).warning
    mode = {**INTERPOLATIONS, 'bilinear': cv2.INTER_AREA}
    monkeypatch.setattr(preparation, 'INTERPOLATIONS', mode)
    assert 'resizes otherwise' in ExportedModel(engine).warning


@pytest.mark.parametrize('workers', [0, 2])
def test_a_folder_is_predicted_as_by_a_model_file(images, tmp_path, workers):
    model = ExportedPredictor(Brightness(), batch_size=2, workers=workers)
    model.made_by = lambda: Provenance({'model': 'one'})
    model.describe = lambda: {}
    out = tmp_path / 'out'
    found = predict_to_folder(model, images, out, outputs=Outputs(maps=True))
    with (out / 'predictions.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]] == ['path', 'score', 'verdict', 'error']
    assert [Path(row['path']).name for row in rows] == [
        *('1.png', '2.png', '4.png', '3.png')
    ]
    assert [row['verdict'] for row in rows] == [
        *('good', 'defective', '', 'defective')
    ]
    assert '4.png' in rows[2]['error']
    table = json.loads((out / 'predictions.json').read_text())
    assert table['threshold'] == 0.5
    assert table['images'][0]['size'] == [20, 30]
    assert model.kind.summary(found) == (
        '2 defective, 1 not read; threshold 0.5'
    )
    assert cv2.imread(str(out / 'overlays/more/3.png.png')).shape == (
        20,
        30,
        3,
    )
    assert np.load(out / 'maps/more/3.npy').shape == (8, 12)


def test_a_list_is_predicted_and_a_run_goes_on(images, tmp_path):
    (tmp_path / 'some.txt').write_text('2.png\nmore/3.png\n')
    model = ExportedPredictor(Brightness())
    model.made_by = lambda: Provenance({'model': 'one'})
    model.describe = lambda: {}
    listed = tmp_path / 'some.txt', tmp_path / 'out'
    found = predict_to_folder(model, *listed, root=images)
    assert [Path(p.path).name for p in found] == ['2.png', '3.png']
    model.kind.compute = None  # nothing is computed again
    again = predict_to_folder(model, *listed, root=images)
    assert [p.row() for p in again] == [p.row() for p in found]


def test_the_threshold_is_overridden(images):
    model = ExportedPredictor(Brightness(), threshold=0.9)
    (one,) = model([images / '2.png'])
    assert one.verdict == 'good'
    assert model.kind.head()['chosen'] == {'method': 'given'}
    for value in (float('nan'), float('inf')):
        with pytest.raises(ValueError, match='finite threshold'):
            ExportedPredictor(Brightness(), threshold=value)
    with pytest.raises(ValueError, match='classifier'):
        ExportedPredictor(Brightness(kind='classifier'), threshold=0.5)


def test_classes_have_names(images):
    model = ExportedPredictor(
        Brightness(kind='classifier', classes=['a', 'b'])
    )
    (one,) = model([images / '1.png'])
    assert (one.label, one.probability) == ('b', pytest.approx(1 - 40 / 255))


def test_images_of_another_form_are_refused():
    model = ExportedModel(Brightness())
    for images in (
        np.zeros((1, 8, 12, 3), np.float32),
        np.zeros((1, 3, 8, 12), np.uint8),
        np.zeros((0, 8, 12, 3), np.uint8),
        np.zeros((8, 12, 3), np.uint8),
    ):
        with pytest.raises(ValueError, match=r'RGB uint8 \[N, 8, 12, 3\]'):
            model.run(images)


@pytest.mark.parametrize(
    ('name', 'error'),
    [
        ('model.safetensors', ExportedFileError),
        ('model.onnx', FileNotFoundError),
        ('model.xml', FileNotFoundError),
    ],
)
def test_other_files_are_refused(name, error, tmp_path):
    if error is ExportedFileError:
        (tmp_path / name).write_bytes(b'something else')
    with pytest.raises(error, match='expected an exported model'):
        open_engine(tmp_path / name)


def test_a_kind_of_a_later_version_is_refused():
    with pytest.raises(ExportedFileError, match="kind 'depth'"):
        ExportedModel(Brightness(kind='depth'))
