"""Views of images with maps: those of the workers, made on a device."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmcvgssl.datasets.views import Canvas, UnknownStepError
from mmcvgssl.maps import DrawMappedView, MappedView
from mmcvgssl.models import MappedViewPreprocessor
from mmcvgssl.registry import TRANSFORMS
from tests.test_datasets.test_views import FLIPS, seed, surface

RESIZE = dict(
    type='RandomResize',
    scale=(96, 96),
    ratio_range=(0.5, 2.0),
    keep_ratio=True,
)
CROP = dict(type='mmcvgssl.MapCrop', crop_size=48, cat_max_ratio=0.6)
JITTER = dict(
    type='mmcvgssl.FastColorJitter',
    brightness=0.125,
    contrast=0.5,
    saturation=0.5,
    hue=0.05,
)
GEOMETRIES = {
    'as AGBP': [RESIZE, CROP, dict(type='RandomFlip', prob=0.5)],
    'crop': [CROP],
    'oblong, padded': [
        dict(type='mmcv.Resize', scale=(40, 60), keep_ratio=False),
        dict(
            type='mmcvgssl.MapCrop', crop_size=(48, 70), pad_val=(9, 90, 200)
        ),
        FLIPS,
        FLIPS,
    ],
    'one of several sizes': [
        dict(
            type='mmcv.RandomChoiceResize',
            scales=[(50, 80), (90, 70)],
            keep_ratio=False,
        ),
        CROP,
        FLIPS,
    ],
}
SIZES = [(64, 80), (200, 40), (33, 31)]


def joint(name: str) -> dict:
    steps = deepcopy(GEOMETRIES[name])
    return dict(type='mmcvgssl.JointGeometry', transforms=steps)


def image_and_map(size: tuple[int, int], value: int) -> dict:
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    heat = np.exp(-((y - size[0] / 3) ** 2 + (x - size[1] / 2) ** 2) / 300)
    return {
        'img': surface(*size, value),
        'anomaly_map': heat.astype(np.float32),
    }


def both(name: str, others: list, first: int):
    """Views and maps of a batch of several sizes, both ways."""
    geometry = joint(name)
    workers = [TRANSFORMS.build(step) for step in (geometry, *others)]
    draw = DrawMappedView(geometry, others)
    images, heats, wholes, samples, cropped = [], [], [], [], []
    for i, size in enumerate(SIZES):
        results = image_and_map(size, i)
        drawn = deepcopy(results)
        seed(first + i)
        for step in workers:
            results = step(results)
        images.append(results['img'])
        heats.append(results['anomaly_map'])
        after = np.random.get_state()[1].copy(), np.random.get_state()[2]
        seed(first + i)
        drawn = draw(drawn)
        # what comes next draws the same numbers either way
        assert (np.random.get_state()[1] == after[0]).all()
        assert np.random.get_state()[2] == after[1]
        wholes.append(torch.from_numpy(drawn['img']).permute(2, 0, 1))
        cropped.append(drawn['anomaly_map'])
        samples.append(DataSample(view_numbers=drawn['view_numbers']))
    made = MappedViewPreprocessor(geometry, others, mean=None, std=None)(
        dict(inputs=Canvas.of(wholes), data_samples=samples)
    )['inputs']
    wanted = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float()
    return wanted, made, heats, cropped


@pytest.mark.parametrize('first', [0, 10, 20, 30])
@pytest.mark.parametrize('others', [[], [JITTER]], ids=['plain', 'colours'])
@pytest.mark.parametrize('name', GEOMETRIES)
def test_views_and_maps_are_those_of_the_workers(name, others, first):
    wanted, made, heats, cropped = both(name, others, first)
    assert made.shape == wanted.shape
    # bytes are rounded after each step there
    limit = 2.5 if others else 0.6
    assert float((made - wanted).abs().mean()) < limit
    if not others:
        assert float((made - wanted).abs().max()) <= 2
    for ours, theirs in zip(cropped, heats, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_padding_is_where_it_was():
    wanted, made, *_ = both('oblong, padded', [], 3)
    colour = torch.tensor([9.0, 90.0, 200.0]).view(1, 3, 1, 1)
    padded = (wanted == colour).all(1)
    assert bool(padded.any())
    assert torch.equal((made == colour).all(1) & padded, padded)


@pytest.mark.parametrize(
    ('steps', 'others', 'word'),
    [
        ([RESIZE, dict(type='RandomFlip', prob=0.5)], [], 'one MapCrop'),
        ([CROP, RESIZE], [], 'one MapCrop'),
        ([RESIZE, RESIZE, CROP], [], 'one resize'),
        ([dict(CROP, padding_mode='reflect')], [], 'one MapCrop'),
        ([dict(CROP, pad_if_needed=False)], [], 'one MapCrop'),
        (
            [
                dict(
                    type='mmcv.Resize', scale=(9, 9), interpolation='nearest'
                ),
                CROP,
            ],
            [],
            "interpolation='nearest'",
        ),
        ([CROP], [dict(type='mmpretrain.Invert')], 'Invert is not for'),
    ],
)
def test_what_the_device_cannot_do_is_refused(steps, others, word):
    geometry = dict(type='mmcvgssl.JointGeometry', transforms=steps)
    with pytest.raises(UnknownStepError, match=word):
        MappedView(geometry, others)


def test_what_is_no_canvas_is_normalised_as_it_is():
    pixels = torch.randint(256, (2, 3, 8, 8), dtype=torch.uint8)
    ready = MappedViewPreprocessor(
        joint('crop'), mean=[1.0] * 3, std=[2.0] * 3
    )
    found = ready(dict(inputs=pixels))['inputs']
    assert torch.equal(found, (pixels.float() - 1) / 2)
