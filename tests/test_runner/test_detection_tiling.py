"""Tiles of images in the configs of detectors."""

import pytest

from mmcvgssl.apis import load_config
from mmcvgssl.runner.image_reading import hand_down
from mmcvgssl.runner.load_steps import type_name
from tests.data import CONFIGS

NAMES = [
    'yolov8/yolov8_n_1xb16-300e_coco-format.py',
    'faster_rcnn/faster-rcnn_r18_1xb8-100e_neu-det.py',
    'dino/dino-4scale_swin-b_8xb2-50e_coco-format.py',
    'rtmdet/rtmdet_tiny_1xb16-300e_coco-format.py',
]


def crops(node) -> int:
    """Count crops of a tile, each behind a step that loads boxes."""
    found = 0
    if isinstance(node, dict):
        return sum(crops(value) for value in node.values())
    if isinstance(node, (list, tuple)):
        names = [type_name(s) if isinstance(s, dict) else '' for s in node]
        for before, step in zip(names, node[1:], strict=False):
            if before == 'LoadAnnotations':
                assert type_name(step) == 'RandomCrop'
                assert tuple(step['crop_size']) == (512, 512)
                found += 1
        return found + sum(crops(item) for item in node)
    return 0


@pytest.mark.parametrize('name', NAMES)
def test_tests_are_cut_and_trainings_crop(name):
    cfg = load_config(CONFIGS / 'detection' / name)
    cfg.tile, cfg.overlap = 512, 64
    hand_down(cfg)
    for part in ('val', 'test'):
        loader = cfg[f'{part}_dataloader']
        assert loader.batch_size == 1
        assert not loader.dataset.get('batch_shapes_cfg')
        read, cut = loader.dataset.pipeline
        assert (type_name(read), cut.tile, cut.overlap) == (
            *('LoadImage', 512),
            64,
        )
    found = crops(cfg.train_dataloader.to_dict())
    assert found > 0
    assert type_name(cfg.custom_hooks[-1]) == 'TiledDetectionHook'
    # options are handed down again and again
    text = cfg.pretty_text
    hand_down(cfg)
    assert cfg.pretty_text == text


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(tile=16), 'from 32 on'),
        (dict(tile=512, overlap=512), 'less than the tile'),
        (dict(overlap=64), 'there are none'),
        (dict(tile='small'), "expected 'auto'"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    cfg = load_config(CONFIGS / 'detection' / NAMES[1])
    cfg.merge_from_dict(options)
    with pytest.raises(ValueError, match=message):
        hand_down(cfg)
