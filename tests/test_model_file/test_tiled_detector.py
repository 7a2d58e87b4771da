"""Detectors on images in tiles: model file, prediction and test."""

import json

import cv2
import mmyolo.models  # noqa: F401  (registers detectors)
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmcvgssl.apis import run_test
from mmcvgssl.apis.export_model import export_model
from mmcvgssl.apis.features import FeatureExtractor
from mmcvgssl.apis.model_file_config import config_of, open_model
from mmcvgssl.apis.predict import Predictor
from mmcvgssl.datasets.tiles import TileGrid, cut_steps, uncut_steps
from mmcvgssl.model_file import ModelFile, load_model
from mmcvgssl.models.joined_boxes import join_boxes
from tests.test_model_file.test_detector import save, trained  # noqa: F401

pytestmark = pytest.mark.usefixtures('quick_configs')

KINDS = ('rtmdet', 'yolov8', 'faster_rcnn', 'dino')
TILE, OVERLAP = 48, 16
SIZE = (70, 150)


@pytest.fixture
def image(tmp_path):
    """A picture larger than a tile."""
    random = np.random.RandomState(0)
    pixels = random.randint(0, 256, (*SIZE, 3)).astype(np.uint8)
    path = tmp_path / 'images' / 'large.png'
    path.parent.mkdir()
    cv2.imwrite(str(path), pixels)
    return path


def boxes(predictor: Predictor, path) -> list[dict]:
    (found,) = predictor([path])
    assert found.error is None
    return found.boxes


@pytest.mark.parametrize('name', KINDS)
def test_boxes_are_those_of_the_tiles_joined(
    trained,  # noqa: F811
    tmp_path,
    image,
    name,
):
    cfg, saved = trained(name)
    checkpoint = save(saved, tmp_path)
    whole, cut = tmp_path / 'whole.safetensors', tmp_path / 'cut.safetensors'
    export_model(checkpoint, whole, score_threshold=0)
    export_model(checkpoint, cut, None, 0, tile=TILE, overlap=OVERLAP)
    plain = Predictor(whole, device='cpu', workers=0)
    tiled = Predictor(cut, device='cpu', workers=0)

    # the same model on crops, which are files of their own
    grid = TileGrid.over(SIZE, TILE, OVERLAP)
    pixels, parts = cv2.imread(str(image)), []
    for number, (y, x) in enumerate(grid):
        part = tmp_path / f'{number}.png'
        cv2.imwrite(str(part), pixels[y : y + TILE, x : x + TILE])
        init_default_scope('mmpretrain')
        item = {'img_path': str(part)}
        for step in plain.transforms:
            item = step(item)
        batch = {key: [value] for key, value in item.items()}
        parts += [plain.model.test_step(batch)[0].pred_instances]
    known = cfg.model.test_cfg
    nms = known.get('rcnn', known).get('nms', {'iou_threshold': 0.5})
    expected = join_boxes(parts, grid, nms['iou_threshold'])

    found = boxes(tiled, image)
    assert len(found) == len(expected) > 0
    torch.testing.assert_close(
        torch.tensor([b['box'] for b in found]), expected.bboxes
    )
    torch.testing.assert_close(
        torch.tensor([b['score'] for b in found]), expected.scores
    )
    # workers hand tiles on
    again = Predictor(cut, device='cpu', workers=1)
    assert boxes(again, image) == found
    # features of an image in tiles are the mean of those of its tiles
    rows = FeatureExtractor(str(cut), workers=0)([image]).rows
    files = [tmp_path / f'{i}.png' for i in range(len(grid))]
    own = FeatureExtractor(str(whole), workers=0)(files).rows
    np.testing.assert_allclose(rows[0], own.mean(0), rtol=1e-3, atol=1e-5)
    # and an image that is no larger than a tile is taken whole
    small = tmp_path / '0.png'
    assert boxes(tiled, small) == boxes(plain, small)
    assert tiled.content.images['pipeline'][-1]['tile'] == TILE


@pytest.mark.parametrize('name', KINDS)
def test_a_file_is_tested_in_tiles(trained, tmp_path, image, name):  # noqa: F811
    _, saved = trained(name)
    file = tmp_path / 'model.safetensors'
    export_model(save(saved, tmp_path), file, None, 0, tile='auto')
    tile = ModelFile.read(file).images['pipeline'][-1]['tile']
    predictor = Predictor(file, device='cpu', workers=0)
    found = boxes(predictor, image)
    classes = predictor.content.classes
    # the truth is what it finds best, so the precision is not 0
    best = {
        box['label']: box
        for box in reversed(found)
        if min(np.subtract(box['box'][2:], box['box'][:2])) > 4
    }
    truth = {
        'images': [
            {
                'id': 1,
                'file_name': image.name,
                'height': SIZE[0],
                'width': SIZE[1],
            }
        ],
        'categories': [
            {'id': i, 'name': name} for i, name in enumerate(classes)
        ],
        'annotations': [],
    }
    for number, box in enumerate(best.values(), 1):
        x1, y1, x2, y2 = box['box']
        truth['annotations'].append(
            {
                'id': number,
                'image_id': 1,
                'category_id': classes.index(box['label']),
                'bbox': [x1, y1, x2 - x1, y2 - y1],
                'area': (x2 - x1) * (y2 - y1),
                'iscrowd': 0,
            }
        )
    coco = image.parent / 'coco.json'
    coco.write_text(json.dumps(truth))
    loaded = open_model(file)
    cfg = config_of(loaded, {'test_dataloader.num_workers': 0})
    cfg.work_dir, cfg.launcher = str(tmp_path / 'work'), 'none'
    metrics = run_test(cfg, model=loaded, images=coco)
    assert tile == {'faster_rcnn': 64}.get(name, 128)
    assert metrics['coco/bbox_mAP_50'] > 0.1
    assert 'test_step' not in loaded.model.__dict__


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'tile': 16}, 'number of pixels from 32 on'),
        ({'tile': -64}, 'number of pixels from 32 on'),
        ({'tile': 'large'}, "tile='large': expected 'auto'"),
        ({'tile': 64, 'overlap': 64}, 'less than the tile, which has 64'),
        ({'tile': 64, 'overlap': -1}, 'from 0 to less than the tile'),
        ({'overlap': 8}, 'there are none'),
    ],
)
def test_tiles_out_of_range_are_refused(trained, tmp_path, options, message):  # noqa: F811
    _, saved = trained('faster_rcnn')
    out = tmp_path / 'model.safetensors'
    with pytest.raises(ValueError, match=message):
        export_model(save(saved, tmp_path), out, **options)
    assert not out.exists()


def test_steps_are_cut_and_whole_again():
    steps = [
        dict(type='mmcvgssl.LoadImage'),
        dict(type='mmdet.Resize', scale=(640, 480), keep_ratio=True),
        dict(type='mmdet.PackDetInputs'),
    ]
    cut = cut_steps(steps, 512)
    assert uncut_steps(cut) == (steps, (512, 64))
    assert cut_steps(cut, 256, 0)[-1]['tile'] == 256
    assert cut_steps(cut, None) == steps
    assert cut_steps(steps, 'auto')[-1]['tile'] == 480
    with pytest.raises(ValueError, match='no step has a scale'):
        cut_steps(steps[::2], 'auto')


def test_a_file_with_other_steps_in_tiles_is_refused(trained, tmp_path):  # noqa: F811
    _, saved = trained('faster_rcnn')
    out = tmp_path / 'model.safetensors'
    content = export_model(save(saved, tmp_path), out, tile=64)
    for change in (
        dict(transforms=[dict(type='mmengine.RandomFlip')]),
        dict(transforms=[]),
        dict(tile=8),
    ):
        pipeline = content.images['pipeline']
        bad = [*pipeline[:-1], {**pipeline[-1], **change}]
        content.images['pipeline'] = bad
        content.write(tmp_path / 'bad.safetensors')
        content.images['pipeline'] = pipeline
        with pytest.raises(ValueError, match=r'pipeline|tile|TiledSteps'):
            load_model(tmp_path / 'bad.safetensors')
