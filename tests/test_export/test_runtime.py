"""The runtime reads, prepares and writes, with neither torch nor a host."""

import csv
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmcv.transforms import Resize

from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.export import preparation
from mmcvgssl.export.engines import open_engine
from mmcvgssl.export.metadata import ExportedFileError
from mmcvgssl.export.preparation import INTERPOLATIONS, picture_of, prepare
from mmcvgssl.export.runtime import ExportedModel, main, predict_to_folder
from tests.data import ROOT
from tests.test_export.examples import Brightness

# what the runtime needs beside Python, a library that runs graphs apart
NEEDED = (
    *('numpy', 'numpy.libs', 'cv2', 'opencv_python_headless.libs'),
    *('PIL', 'pillow.libs', 'tifffile'),
)
RUNS = ('onnxruntime', 'flatbuffers', 'openvino', 'openvino_telemetry')


@pytest.fixture
def bare(tmp_path):
    """Run Python where torch and the hosts are not installed."""
    home = tmp_path / 'packages'
    home.mkdir()
    (home / 'mmcvgssl').symlink_to(ROOT / 'mmcvgssl')
    for name in (*NEEDED, *RUNS):
        spec = find_spec(name) if '.' not in name else None
        root = Path(find_spec('numpy').origin).parents[1]
        place = Path(spec.origin).parent if spec else root / name
        if name == 'tifffile' or place.is_dir():
            (home / place.name).symlink_to(place)

    def run(*arguments, check=True):
        return subprocess.run(
            [sys.executable, '-S', *arguments],
            env={**os.environ, 'PYTHONPATH': str(home)},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=check,
        )

    return run


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
        'import sys, importlib.util as u; import mmcvgssl.export.runtime; '
        'print([n for n in ("torch", "mmengine", "mmcv") if u.find_spec(n)])'
    )
    assert bare('-c', code).stdout == '[]\n'


@pytest.mark.skipif(
    find_spec('onnxruntime') is not None, reason='onnxruntime is installed'
)
def test_a_missing_library_is_named(bare, tmp_path):
    (tmp_path / 'a.onnx').write_bytes(b'')
    command = ('-m', 'mmcvgssl.export.runtime', 'a.onnx', '.', '--out', 'o')
    found = bare(*command, check=False)
    assert found.returncode == 1
    assert 'pip install' in found.stderr
    assert 'onnxruntime' in found.stderr


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


def test_tables_are_those_of_predict(images, tmp_path):
    model = ExportedModel(Brightness(), batch_size=2)
    found = predict_to_folder(model, images, tmp_path / 'out')
    with (tmp_path / 'out' / 'predictions.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [*rows[0]] == ['path', 'score', 'verdict', 'error']
    assert [Path(row['path']).name for row in rows] == [
        *('1.png', '2.png', '4.png', '3.png')
    ]
    assert [row['verdict'] for row in rows] == [
        *('good', 'defective', '', 'defective')
    ]
    assert '4.png' in rows[2]['error']
    table = json.loads((tmp_path / 'out' / 'predictions.json').read_text())
    assert table['threshold'] == 0.5
    assert table['images'][0]['size'] == [20, 30]
    assert model.summary(found) == '2 defective, 1 not read; threshold 0.5'


def test_the_threshold_is_overridden(images):
    (one,) = ExportedModel(Brightness(), threshold=0.9)([images / '2.png'])
    assert one.verdict == 'good'
    for value in (float('nan'), float('inf')):
        with pytest.raises(ValueError, match='finite threshold'):
            ExportedModel(Brightness(), threshold=value)
    with pytest.raises(ValueError, match='classifier'):
        ExportedModel(Brightness(kind='classifier'), threshold=0.5)


def test_classes_have_names(images):
    model = ExportedModel(Brightness(kind='classifier', classes=['a', 'b']))
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


def test_a_folder_that_cannot_be_read_is_an_error(tmp_path):
    model, out = ExportedModel(Brightness()), tmp_path / 'out'
    (tmp_path / 'none').mkdir()
    with pytest.raises(ValueError, match='no images'):
        predict_to_folder(model, tmp_path / 'none', out)
    with pytest.raises(FileNotFoundError, match='found no'):
        predict_to_folder(model, tmp_path / 'missing', out)
    (tmp_path / 'none' / '1.png').write_bytes(b'no picture')
    with pytest.raises(UnreadableImageError, match='none of 1 images'):
        predict_to_folder(model, tmp_path / 'none', out)
    assert (out / 'predictions.csv').is_file()


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
    with pytest.raises(SystemExit, match='error: expected an exported model'):
        main([str(tmp_path / name), '.', '--out', str(tmp_path)])


def test_a_kind_of_a_later_version_is_refused():
    with pytest.raises(ExportedFileError, match="kind 'depth'"):
        ExportedModel(Brightness(kind='depth'))
