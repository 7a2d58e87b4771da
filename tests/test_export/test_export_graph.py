"""Graphs say what the models say, or are not written.

Needs the extra ``export``.
"""

import copy
import json
import shutil
from importlib.util import find_spec

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmpretrain.structures import DataSample

from mmcvgssl.apis import export_graph as api
from mmcvgssl.apis import load_config
from mmcvgssl.apis.export_graph import export_graph
from mmcvgssl.apis.export_model import export_model
from mmcvgssl.apis.exported_predictor import ExportedPredictor
from mmcvgssl.apis.predict import Predictor, find_images
from mmcvgssl.apis.prediction_folder import predict_to_folder
from mmcvgssl.compat import hosts
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.export.check import ExportCheckError, compare
from mmcvgssl.export.engines import OnnxEngine
from mmcvgssl.export.exported_model import ExportedModel
from mmcvgssl.export.graphs import AnomalyGraph
from mmcvgssl.export.metadata import ExportedFileError
from mmcvgssl.model_file import classifier, prediction_steps
from mmcvgssl.model_file.anomaly import to_file
from mmcvgssl.models.anomaly import patch_gaussian
from mmcvgssl.registry import MODELS
from tests.boxes import shrink
from tests.data import CONFIGS, ROOT, write_images
from tests.test_model_file.test_anomaly import (
    BACKBONE,
    SIDE,
    STEPS,
    config,
    small_weights,
    teacher,
)

EXTRA = ('onnx', 'onnxscript', 'onnxruntime', 'openvino')
missing = [name for name in EXTRA if find_spec(name) is None]
needs_extra = pytest.mark.skipif(
    bool(missing), reason=f'not installed: {", ".join(missing)}'
)


@pytest.fixture(scope='module', autouse=True)
def scope():
    """Find transforms of mmpretrain."""
    init_default_scope('mmpretrain')


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    """Weights of a small ResNet and of a small CLIP, and pictures."""
    with small_weights(tmp_path_factory.mktemp('weights')) as folder:
        write_images(folder / 'images', 6)
        yield folder


def model_config(name, weights):
    one_class = dict(
        type='mmcvgssl.OneClassDetector',
        backbone=BACKBONE,
        checkpoint=str(weights / 'resnet.pth'),
        false_alarm_rate=0.25,
    )
    more = {
        'PaDiM': dict(
            type='mmcvgssl.PaDiM',
            # the graph resizes, too
            teacher=dict(teacher(weights), input_size=24),
            channels=5,
            false_alarm_rate=0.25,
        ),
        'OneClassDetector': one_class,
        'kernels': dict(one_class, density='kde', bandwidth=0.3),
        'patches': dict(one_class, patch=dict(size=16, stride=8)),
    }
    return more[name] if name in more else config(name, weights)


def write_model(name, weights, steps=STEPS):
    """Fit a model and write its file."""
    torch.manual_seed(0)
    options = model_config(name, weights)
    model = MODELS.build(options).eval()
    good = torch.randint(256, (20, 3, SIDE, SIDE), dtype=torch.uint8)
    samples = [DataSample(img_path=f'{i}.png') for i in range(len(good))]
    model.fit([dict(inputs=list(good), data_samples=samples)])
    category = 'bolt' if name == 'KeAD' else ''
    path = weights / f'{name}.safetensors'
    to_file(model, options, steps, category=category).write(path)
    return path


def write_classifier(weights, steps=STEPS):
    torch.manual_seed(0)
    options = dict(
        type='mmcvgssl.ProbeClassifier',
        num_classes=3,
        in_channels=8,
        backbone=BACKBONE,
    )
    model = MODELS.build(options)
    model.set_head(np.eye(3, 8), np.zeros(3))
    path = weights / 'classifier.safetensors'
    content = classifier.to_file(model, options, steps, ['a', 'b', 'c'])
    content.write(path)
    return path


def write_detector(folder):
    """Write a narrow YOLOv8 with random weights."""
    cfg = load_config(
        CONFIGS / 'detection/yolov8/yolov8_n_1xb8-60e_magnetic-tile.py'
    )
    shrink(cfg)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    model = MODELS.build(copy.deepcopy(cfg.model))
    for key, value in model.named_parameters():
        if 'cls' in key and key.endswith('bias'):
            value.data.add_(2 * torch.randn_like(value))
    classes = dict(cfg.test_dataloader.dataset.metainfo)
    meta = {'cfg': cfg.pretty_text, 'dataset_meta': classes}
    torch.save(
        {'state_dict': model.state_dict(), 'meta': meta}, folder / 'e.pth'
    )
    export_model(folder / 'e.pth', folder / 'detector.safetensors')
    init_default_scope('mmpretrain')
    return folder / 'detector.safetensors'


def scores(predictions):
    return np.array([p.score for p in predictions])


@needs_extra
@pytest.mark.parametrize(
    'name', ['PatchCore', 'PaDiM', 'MuSc', 'KeAD', 'OneClassDetector']
)
def test_a_graph_scores_as_pytorch_does(name, weights, tmp_path):
    path = write_model(name, weights)
    # drawn anew, as in a process that has fitted nothing
    patch_gaussian._draw_channels.cache_clear()
    images, out = weights / 'images', tmp_path / 'model.onnx'
    export_graph(path, out, images)
    paths = sorted(map(str, find_images(images)))
    expected = [*Predictor(path, device='cpu')(paths)]
    for batch_size in (1, 4):
        found = [*ExportedPredictor(out, batch_size=batch_size)(paths)]
        np.testing.assert_allclose(scores(found), scores(expected), 1e-4)
        assert [p.verdict for p in found] == [p.verdict for p in expected]
        np.testing.assert_allclose(
            found[0].anomaly_map, expected[0].anomaly_map, rtol=0, atol=1e-3
        )


@needs_extra
def test_a_classifier_names_the_classes_that_pytorch_names(weights, tmp_path):
    path, out = write_classifier(weights), tmp_path / 'model.onnx'
    metadata = export_graph(path, out, weights / 'images')
    assert metadata.classes == ['a', 'b', 'c']
    paths = sorted(map(str, find_images(weights / 'images')))
    expected = [p.row() for p in Predictor(path, device='cpu')(paths)]
    for theirs, own in zip(
        expected, ExportedPredictor(out)(paths), strict=True
    ):
        assert own.label == theirs['label']
        assert own.probabilities == pytest.approx(theirs['probabilities'])


@needs_extra
def test_maps_of_tiles_are_joined_as_by_pytorch(weights, tmp_path):
    resize = dict(
        type='mmcvgssl.SquareResize', input_size=SIDE, tile=SIDE, overlap=8
    )
    steps = prediction_steps([STEPS[0], resize, STEPS[-1]])
    path = write_model('PatchCore', weights, steps)
    images, out = tmp_path / 'images', tmp_path / 'model.onnx'
    write_images(images, 3, side=90)
    export_graph(path, out, images)
    paths = sorted(map(str, find_images(images)))
    expected = [*Predictor(path, device='cpu', workers=0)(paths)]
    found = [*ExportedPredictor(out, workers=0)(paths)]
    np.testing.assert_allclose(scores(found), scores(expected), 1e-4)
    for a, b in zip(found, expected, strict=True):
        assert a.anomaly_map.shape == b.anomaly_map.shape
        np.testing.assert_allclose(a.anomaly_map, b.anomaly_map, 1e-3)


@needs_extra
def test_a_detector_finds_the_boxes_that_pytorch_finds(weights, tmp_path):
    path, out = write_detector(tmp_path), tmp_path / 'model.onnx'
    images = weights / 'images'
    metadata = export_graph(path, out, images)
    assert metadata.boxes['iou_threshold'] == 0.7
    paths = sorted(map(str, find_images(images)))
    expected = [*Predictor(path, device='cpu')(paths)]
    found = [*ExportedPredictor(out)(paths)]
    assert sum(p.count for p in expected) > 0
    compare(expected, found, 1e-4)
    more = ExportedPredictor(out, threshold=0.01)
    fewer = ExportedPredictor(out, threshold=1)
    assert sum(p.count for p in more(paths)) > sum(p.count for p in found)
    assert sum(p.count for p in fewer(paths)) == 0


@needs_extra
@pytest.mark.parametrize('wrong', ['score', 'verdict'])
def test_a_graph_that_says_something_else_is_not_written(
    wrong, weights, tmp_path, monkeypatch
):
    forward = AnomalyGraph.forward

    def off(self, images):
        maps, values, *others = forward(self, images)
        return maps, values + (0.01 if wrong == 'score' else 1e3), *others

    monkeypatch.setattr(AnomalyGraph, 'forward', off)
    out = tmp_path / 'model.onnx'
    with pytest.raises(ExportCheckError, match='nothing is written'):
        export_graph(
            write_model('PatchCore', weights), out, weights / 'images'
        )
    assert [*tmp_path.iterdir()] == []


@needs_extra
@pytest.mark.parametrize('half', [False, True])
def test_openvino_scores_as_pytorch_does(half, weights, tmp_path):
    path, out = write_model('PatchCore', weights), tmp_path / 'model.xml'
    images = weights / 'images'
    made = export_graph(path, out, images, 'openvino', half, tolerance=0.05)
    assert made.checked['differences']['scores'] < (0.05 if half else 1e-4)
    assert ExportedModel(out).metadata.threshold is not None
    changed = out.with_suffix('.bin').read_bytes()[:-1] + b'\0'
    shutil.copy(out, tmp_path / 'other.xml')
    (tmp_path / 'other.bin').write_bytes(b'1' + changed[1:])
    with pytest.raises(ExportedFileError, match='not the one that was'):
        ExportedModel(tmp_path / 'other.xml')
    (tmp_path / 'other.bin').unlink()
    with pytest.raises(FileNotFoundError, match=r'needs other\.bin'):
        ExportedModel(tmp_path / 'other.xml')


@needs_extra
def test_half_and_int8_compute_in_fewer_bits(weights, tmp_path):
    import onnx

    # without a threshold, which 8 bits of so small a network may cross
    path, images = write_model('MahalanobisAD', weights), weights / 'images'
    kinds = {}
    for name, options in (
        ('float32', {}),
        ('float16', dict(half=True)),
        ('int8', dict(int8=images)),
    ):
        out = tmp_path / f'{name}.onnx'
        made = export_graph(path, out, images, tolerance=0.9, **options)
        assert made.precision == name
        graph = onnx.load(out).graph
        kinds[name] = {item.data_type for item in graph.initializer}
    half, bits = onnx.TensorProto.FLOAT16, onnx.TensorProto.INT8
    assert [half in found for found in kinds.values()] == [0, 1, 0]
    assert [bits in found for found in kinds.values()] == [0, 0, 1]


@needs_extra
def test_the_last_quarter_of_a_classifier_stays_in_float(weights, tmp_path):
    import onnx

    path, images = write_classifier(weights), weights / 'images'
    out = tmp_path / 'model.onnx'
    options = dict(int8=images, tolerance=0.9, flips=0.99)
    export_graph(path, out, images, **options)
    nodes = onnx.load(out).graph.node
    rounded = {
        name
        for node in nodes
        if node.op_type == 'DequantizeLinear'
        for name in node.output
    }
    found = [
        node.input[1] in rounded for node in nodes if node.op_type == 'Conv'
    ]
    last = len(found) // 4
    assert found[:3] == [False] * 3
    assert found[-last:] == [False] * last
    assert any(found)


@needs_extra
def test_images_to_measure_ranges_on_are_read(weights, tmp_path):
    path, images = write_model('MahalanobisAD', weights), weights / 'images'
    folder, out = tmp_path / 'measured', tmp_path / 'model.onnx'
    folder.mkdir()
    with pytest.raises((ValueError, OSError), match='measured'):
        export_graph(path, out, images, int8=folder)
    (folder / 'broken.png').write_bytes(b'no image')
    with pytest.raises(UnreadableImageError, match=r'broken\.png'):
        export_graph(path, out, images, int8=folder)
    assert not out.exists()


@needs_extra
def test_it_predicts_where_neither_torch_nor_a_host_is(
    weights, tmp_path, bare
):
    path, out = write_model('PatchCore', weights), tmp_path / 'model.onnx'
    images = weights / 'images'
    export_graph(path, out, images)
    predictor = ROOT / 'tools' / 'predict.py'
    bare(predictor, out, images, '--out', tmp_path / 'bare')
    bare(predictor, out, images, '--out', tmp_path / 'two', '--threshold', '9')
    predict_to_folder(Predictor(path, device='cpu'), images, tmp_path / 'full')
    tables = [
        json.loads((tmp_path / name / 'predictions.json').read_text())
        for name in ('full', 'bare', 'two')
    ]
    own = [{k: v for k, v in t.items() if k != 'images'} for t in tables]
    for key in own[0].keys() - {'model'}:
        assert own[1][key] == own[0][key]
    for a, b, c in zip(*(table['images'] for table in tables), strict=True):
        assert b.pop('score') == pytest.approx(a.pop('score'), rel=1e-4)
        assert a == b
        assert c['verdict'] == 'good'
    for drawn in (tmp_path / 'full' / 'overlays').iterdir():
        pictures = [
            cv2.imread(str(tmp_path / name / 'overlays' / drawn.name))
            for name in ('full', 'bare')
        ]
        if drawn.suffix == '.png':
            assert np.abs(np.subtract(*np.int32(pictures))).max() <= 2
    code = (
        'from mmcvgssl.apis import AnomalyInspector; '
        f'found = AnomalyInspector({str(out)!r})({str(images)!r}); '
        'print([r.score for r in found])'
    )
    theirs = [p['score'] for p in tables[2]['images']]
    assert json.loads(bare('-c', code).stdout) == theirs


@needs_extra
def test_files_of_others_and_changed_ones_are_refused(weights, tmp_path):
    import onnx

    path, out = write_model('PatchCore', weights), tmp_path / 'model.onnx'
    export_graph(path, out, weights / 'images')
    data = bytearray(out.read_bytes())
    data[len(data) // 2] ^= 1
    with pytest.raises(ExportedFileError, match='bytes are not those'):
        OnnxEngine(bytes(data), 'a.onnx')
    plain = onnx.load(out)
    del plain.metadata_props[:]
    with pytest.raises(ExportedFileError, match='no digest'):
        OnnxEngine(plain.SerializeToString(), 'a.onnx')


@pytest.mark.parametrize(
    ('options', 'error'),
    [
        (dict(format='tflite'), 'expected --format onnx or openvino'),
        (dict(format='openvino'), 'ends in .xml for openvino'),
        (dict(half=True, int8='images'), 'expected one precision'),
        (dict(tolerance=0.0), 'tolerance between 0 and 1'),
        (dict(tolerance=float('nan')), 'tolerance between 0 and 1'),
        (dict(flips=1.0), 'from 0 to less than 1, got --flips 1.0'),
        (dict(flips=-0.1), 'got --flips -0.1'),
    ],
)
def test_options_are_checked_before_work_starts(options, error, tmp_path):
    with pytest.raises(ValueError, match=error):
        export_graph('no.safetensors', tmp_path / 'a.onnx', 'none', **options)


@pytest.mark.parametrize('name', ['onnx', 'onnxscript', 'onnxruntime'])
def test_a_missing_package_is_named(name, tmp_path, monkeypatch):
    monkeypatch.setattr(hosts, '_found', lambda package: package != name)
    with pytest.raises(ModuleNotFoundError, match=r'mmcvgssl\[export\]') as e:
        export_graph('no.safetensors', tmp_path / 'a.onnx', 'none')
    assert e.value.name == name


@pytest.mark.parametrize(
    ('step', 'error'),
    [
        (
            dict(type='mmengine.Resize', scale=(32, 32), keep_ratio=True),
            'not resized to one size',
        ),
        (dict(type='mmpretrain.CenterCrop', crop_size=16), 'CenterCrop'),
        (None, 'not resized to one size'),
    ],
)
def test_transforms_that_graphs_lack_are_named(
    step, error, weights, tmp_path, monkeypatch
):
    monkeypatch.setattr(api, 'require', lambda package: None)
    steps = [STEPS[0], *([step] if step else []), STEPS[-1]]
    path = write_classifier(weights, steps)
    with pytest.raises(ValueError, match=f'(?s){error}.*expected LoadImage'):
        export_graph(path, tmp_path / 'a.onnx', weights / 'images')


def test_all_notes_are_plain(weights, tmp_path):
    from mmcvgssl.export.graphs import graph_of
    from mmcvgssl.model_file import load_model

    graph = graph_of(load_model(write_model('MuSc', weights)), (SIDE, SIDE))
    assert 'references' in graph.remarks[0]
    assert json.loads(json.dumps(graph.outputs)) == {**graph.outputs}
