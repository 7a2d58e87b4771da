"""The table of files that are read, through the tools' own ways."""

import json

import mmyolo.datasets  # noqa: F401  (registers transforms)
import numpy as np
import pytest
import torch
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope

from mmcvgssl.apis import load_config
from mmcvgssl.apis.predict import Predictor
from mmcvgssl.apis.prediction_folder import predict_to_folder
from mmcvgssl.datasets.coco_check import check_coco
from mmcvgssl.datasets.reading import read_image
from mmcvgssl.datasets.transforms.load_image import find_load_image
from mmcvgssl.model_file import prediction_steps
from mmcvgssl.model_file.anomaly import to_file
from mmcvgssl.registry import MODELS
from tests.data import CONFIGS
from tests.image_files import HEIGHT, KINDS, WIDTH

DETECTORS = (
    'faster_rcnn/faster-rcnn_r18_1xb8-100e_neu-det.py',
    'yolov8/yolov8_n_1xb16-300e_neu-det.py',
)


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    """Write a file of each kind, lying on its side where it can."""
    folder = tmp_path_factory.mktemp('files')
    return [kind.make(folder, 6 if kind.tagged else 1) for kind in KINDS]


@pytest.mark.parametrize('name', DETECTORS)
def test_detectors_see_what_the_reader_reads(name, files):
    cfg = load_config(CONFIGS / 'detection' / name)
    init_default_scope(cfg.default_scope)
    steps = cfg.test_dataloader.dataset.pipeline
    # the first of all, and the last, which packs
    pack = {**steps[-1], 'meta_keys': ('img_path', 'img_shape', 'ori_shape')}
    for kind, path in zip(KINDS, files, strict=True):
        load = {**steps[0], 'depth_range': kind.depth_range}
        packed = Compose([load, pack])({'img_path': str(path)})
        image = read_image(str(path), kind.depth_range)
        seen = packed['inputs'].numpy().transpose(1, 2, 0)
        assert np.array_equal(seen, image), kind.name
        sample = packed['data_samples']
        assert sample.ori_shape == sample.img_shape == (HEIGHT, WIDTH)


@pytest.mark.parametrize('look', ['sizes', 'pixels'])
def test_the_check_of_boxes_reads_every_kind(files, tmp_path, look):
    images = [
        dict(id=i, file_name=path.name, width=WIDTH, height=HEIGHT)
        for i, path in enumerate(files, 1)
    ]
    box = dict(bbox=[1, 2, 30, 20], area=600, iscrowd=0, category_id=1)
    boxes = [dict(id=i['id'], image_id=i['id'], **box) for i in images]
    content = dict(
        images=images, annotations=boxes, categories=[dict(id=1, name='a')]
    )
    (tmp_path / 'a.json').write_text(json.dumps(content))
    found = check_coco(
        tmp_path / 'a.json', files[0].parent, look=look, testing=False
    )
    assert not found.problems
    for image in images:  # swapped sides are found
        image['width'], image['height'] = HEIGHT, WIDTH
    (tmp_path / 'a.json').write_text(json.dumps(content))
    found = check_coco(tmp_path / 'a.json', files[0].parent, look=look)
    lines = found.problems['images of another size']
    assert len(lines) == len(files)


def test_predictions_and_overlays_of_every_kind(files, tmp_path):
    torch.manual_seed(0)
    tiny = dict(depth=18, base_channels=4, stem_channels=4)
    config = dict(
        type='mmcvgssl.OneClassDetector',
        backbone=dict(type='mmpretrain.ResNet', **tiny),
        false_alarm_rate=None,
    )
    model = MODELS.build(config)
    random = torch.Generator().manual_seed(0)
    shapes = [(3, 32, 32)] * 12
    model.fit(
        [{'inputs': [torch.rand(s, generator=random) * 255 for s in shapes]}]
    )
    steps = [
        {'type': 'mmcvgssl.LoadImage', 'depth_range': [0, 65535]},
        {'type': 'mmcvgssl.SquareResize', 'input_size': 32},
        {'type': 'mmpretrain.PackInputs'},
    ]
    model_file = tmp_path / 'model.safetensors'
    to_file(model, config, prediction_steps(steps)).write(model_file)
    predictor = Predictor(model_file, device='cpu')
    assert find_load_image(predictor.transforms).depth_range == (0, 65535)
    found = predict_to_folder(predictor, files[0].parent, tmp_path)
    assert len(found) == len(files)
    assert not [p.error for p in found if p.error]
    for path in files:
        overlay = read_image(str(tmp_path / f'overlays/{path.name}.png'))
        assert overlay.shape == (HEIGHT, WIDTH, 3)
