"""Views that a device makes are those that the workers make."""

import random

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmcvgssl.datasets.canvas_collate import canvas_collate
from mmcvgssl.datasets.transforms import DrawViews, MultiCrop
from mmcvgssl.datasets.transforms.draw_views import NUMBERS
from mmcvgssl.datasets.views import Canvas, UnknownStepError
from mmcvgssl.datasets.views import canvas as canvas_module
from mmcvgssl.models import ViewsPreprocessor
from mmcvgssl.registry import TRANSFORMS

FLIPS = dict(
    type='RandomFlip',
    prob=[0.25, 0.25, 0.25],
    direction=['horizontal', 'vertical', 'diagonal'],
)
JITTER = dict(
    type='mmcvgssl.FastColorJitter',
    brightness=0.4,
    contrast=0.4,
    saturation=0.4,
)
GREY = dict(type='RandomGrayscale', prob=0.5, keep_channels=True)
BLUR = dict(
    type='mmpretrain.GaussianBlur',
    magnitude_range=(0.1, 2.0),
    magnitude_std='inf',
    prob=0.5,
)
MAYBE = dict(type='RandomApply', transforms=[JITTER, FLIPS], prob=0.5)


def seed(value: int) -> None:
    random.seed(value)
    np.random.seed(value)


def surface(height: int, width: int, value: int) -> np.ndarray:
    """A coloured texture without much noise, as blurs differ in detail."""
    random_ = np.random.default_rng(value)
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        np.sin(x / random_.uniform(3, 9) + y / random_.uniform(3, 9))
        for _ in range(3)
    ]
    return (128 + 90 * np.stack(waves, axis=2)).astype(np.uint8)


def both(options: dict, images: list[np.ndarray]) -> list[tuple]:
    """Views of the workers, and of the device, by the same seeds."""
    workers, draw = MultiCrop(**options), DrawViews(**options)
    pack = TRANSFORMS.build(
        dict(
            type='mmpretrain.PackInputs',
            algorithm_keys=(NUMBERS,),
            meta_keys=(),
        )
    )
    ours, samples = [], []
    for value, image in enumerate(images):
        seed(value)
        ours.append(workers(dict(img=image.copy()))['img'])
        after = np.random.rand(), random.random()
        seed(value)
        samples.append(pack(draw(dict(img=image.copy()))))
        # nothing more and nothing less was drawn
        assert (np.random.rand(), random.random()) == after
    made = ViewsPreprocessor(options)(canvas_collate(samples))['inputs']
    return [
        (
            np.stack([views[i] for views in ours]).astype(np.float32),
            made[i].permute(0, 2, 3, 1).numpy(),
        )
        for i in range(len(made))
    ]


@pytest.mark.parametrize(
    ('steps', 'most', 'mean'),
    [
        # OpenCV rounds to bytes once, and cuts off after each change
        ([], 1.0, 0.3),
        ([FLIPS], 1.0, 0.3),
        ([JITTER], 6.0, 1.3),
        ([GREY], 2.0, 0.6),
        ([MAYBE], 6.0, 1.3),
        # Pillow comes near a Gaussian by three boxes, less so at borders
        ([BLUR], 40.0, 1.5),
        ([JITTER, GREY, BLUR, FLIPS], 40.0, 2.0),
    ],
    ids=['crop', 'flip', 'jitter', 'grey', 'apply', 'blur', 'all'],
)
def test_views_are_those_of_the_workers(steps, most, mean):
    options = dict(
        view_size=24,
        crop_size=16,
        crop_scales=((0.2, 1.0), (0.1, 0.5)),
        weak_transforms=steps,
        crop_transforms=steps,
    )
    sizes = [(40, 56), (64, 32), (48, 48)] * 6
    images = [surface(*size, i) for i, size in enumerate(sizes)]
    views = both(options, images)
    assert [b.shape[1:3] for _, b in views] == [(24, 24), (16, 16), (16, 16)]
    for expected, got in views:
        difference = np.abs(expected - got)
        assert difference.max() <= most
        assert difference.mean() <= mean
        assert expected.std() > 20  # they are not all alike


def test_the_whole_image_is_a_view():
    options = dict(view_size=24, weak_scale=None, crop_scales=())
    ((expected, got),) = both(options, [surface(40, 56, 1)])
    assert np.abs(expected - got).max() <= 1


def test_all_pixels_of_a_crop_come_from_it():
    image = torch.full((3, 20, 30), 255.0)
    image[:, 4:9, 6:14] = 7
    boxes = torch.tensor([[4.0, 6.0, 5.0, 8.0]])
    canvas = Canvas(image[None], torch.tensor([[20, 30]]))
    assert (canvas.crop(boxes, (32, 32)) - 7).abs().max() < 1e-3


def test_large_images_are_floats_a_few_at_a_time(monkeypatch):
    images = torch.randint(0, 256, (5, 3, 12, 10), dtype=torch.uint8)
    boxes = torch.tensor([[1.0, 2, 8, 6]]).expand(5, -1)
    canvas = Canvas.of(list(images))
    at_once = canvas.crop(boxes, (4, 4))
    monkeypatch.setattr(canvas_module, '_FLOATS', 2 * images[0].numel())
    assert torch.equal(canvas.crop(boxes, (4, 4)), at_once)


def test_what_lies_beyond_an_image_is_never_read():
    images = [torch.zeros(3, 4, 4), torch.zeros(3, 9, 7)]
    canvas = Canvas.of([image.byte() for image in images])
    canvas.pixels[0, :, 4:] = 255
    canvas.pixels[0, :, :, 4:] = 255
    whole = torch.tensor([[0.0, 0, 4, 4], [0, 0, 9, 7]])
    assert not canvas.crop(whole, (16, 16)).any()


def test_autocast_does_not_reach_the_pixels():
    options = dict(view_size=16, crop_scales=(), weak_transforms=[BLUR])
    draw = DrawViews(**options)
    seed(3)
    sample = draw(dict(img=surface(32, 32, 0)))
    image = torch.from_numpy(sample['img']).permute(2, 0, 1)
    batch = dict(
        inputs=image, data_samples=DataSample(view_numbers=sample[NUMBERS])
    )
    preprocessor = ViewsPreprocessor(options)
    plain = preprocessor(canvas_collate([batch]))['inputs'][0]
    with torch.autocast('cpu', torch.bfloat16):
        cast = preprocessor(canvas_collate([batch]))['inputs'][0]
    assert cast.dtype == torch.float32
    assert torch.equal(plain, cast)


@pytest.mark.parametrize(
    ('step', 'said'),
    [
        (dict(type='mmpretrain.ColorJitter', hue=0.1), 'hue'),
        (dict(type='RandomGrayscale', prob=0.1), 'keep_channels=True'),
        (dict(type='mmpretrain.Solarize', thr=9), 'Solarize is not for'),
        (
            dict(
                type='RandomApply',
                transforms=[dict(type='mmpretrain.Invert')],
            ),
            'Invert is not for',
        ),
    ],
)
def test_what_the_device_cannot_make_is_named(step, said):
    with pytest.raises(UnknownStepError, match=said):
        DrawViews(view_size=8, crop_transforms=[step])


def test_another_interpolation_is_named():
    with pytest.raises(UnknownStepError, match="'bicubic' is not for"):
        DrawViews(view_size=8, interpolation='bicubic')


def test_a_map_cannot_follow():
    draw = DrawViews(view_size=8)
    heat = np.zeros((16, 16), np.float32)
    with pytest.raises(ValueError, match='views=workers'):
        draw(dict(img=surface(16, 16, 0), anomaly_map=heat))
