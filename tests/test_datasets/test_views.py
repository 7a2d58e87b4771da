"""Views that a device makes are those that the workers make."""

import random

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample

from mmcvgssl.datasets.canvas_collate import canvas_collate
from mmcvgssl.datasets.transforms import DrawViews
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
HUE = dict(type='mmcvgssl.FastColorJitter', hue=0.5)
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


def crops(**options) -> dict:
    return dict(type='mmcvgssl.MultiCrop', **options)


def both(step: dict, images: list[np.ndarray]) -> list[tuple]:
    """Views of the workers, and of the device, by the same seeds."""
    workers, draw = TRANSFORMS.build(step), DrawViews(step)
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
    made = ViewsPreprocessor(step)(canvas_collate(samples))['inputs']
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
        # OpenCV's hues and saturations are bytes, too
        ([HUE], 9.0, 1.5),
        ([GREY], 2.0, 0.6),
        ([MAYBE], 6.0, 1.3),
        # Pillow comes near a Gaussian by three boxes, less so at borders
        ([BLUR], 40.0, 1.5),
        ([JITTER, GREY, BLUR, FLIPS], 40.0, 2.0),
    ],
    ids=['crop', 'flip', 'jitter', 'hue', 'grey', 'apply', 'blur', 'all'],
)
def test_views_are_those_of_the_workers(steps, most, mean):
    step = crops(
        view_size=24,
        crop_size=16,
        crop_scales=((0.2, 1.0), (0.1, 0.5)),
        weak_transforms=steps,
        crop_transforms=steps,
    )
    sizes = [(40, 56), (64, 32), (48, 48)] * 6
    images = [surface(*size, i) for i, size in enumerate(sizes)]
    views = both(step, images)
    assert [b.shape[1:3] for _, b in views] == [(24, 24), (16, 16), (16, 16)]
    for expected, got in views:
        difference = np.abs(expected - got)
        assert difference.max() <= most
        assert difference.mean() <= mean
        assert expected.std() > 20  # they are not all alike


def test_the_whole_image_is_a_view():
    step = crops(view_size=24, weak_scale=None, crop_scales=())
    ((expected, got),) = both(step, [surface(40, 56, 1)])
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
    step = crops(view_size=16, crop_scales=(), weak_transforms=[BLUR])
    draw = DrawViews(step)
    seed(3)
    sample = draw(dict(img=surface(32, 32, 0)))
    image = torch.from_numpy(sample['img']).permute(2, 0, 1)
    batch = dict(
        inputs=image, data_samples=DataSample(view_numbers=sample[NUMBERS])
    )
    preprocessor = ViewsPreprocessor(step)
    plain = preprocessor(canvas_collate([batch]))['inputs'][0]
    with torch.autocast('cpu', torch.bfloat16):
        cast = preprocessor(canvas_collate([batch]))['inputs'][0]
    assert cast.dtype == torch.float32
    assert torch.equal(plain, cast)


@pytest.mark.parametrize(
    ('step', 'said'),
    [
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
        DrawViews(crops(view_size=8, crop_transforms=[step]))


def test_another_interpolation_is_named():
    with pytest.raises(UnknownStepError, match="'bicubic' is not for"):
        DrawViews(crops(view_size=8, interpolation='bicubic'))


def test_a_map_cannot_follow():
    draw = DrawViews(crops(view_size=8))
    heat = np.zeros((16, 16), np.float32)
    with pytest.raises(ValueError, match='views=workers'):
        draw(dict(img=surface(16, 16, 0), anomaly_map=heat))


def test_a_transform_that_makes_no_views_is_named():
    with pytest.raises(UnknownStepError, match='RandomFlip is not for'):
        DrawViews(FLIPS)


@pytest.mark.parametrize(
    'kind', ['CutPaste', 'CutPasteScar', 'CutPasteUnion', 'CutPaste3Way']
)
@pytest.mark.parametrize('size', [(64, 64), (40, 90), (12, 7)])
def test_pasted_views_are_those_of_the_workers(kind, size):
    step = dict(type=f'mmcvgssl.{kind}')
    views = both(step, [surface(*size, i) for i in range(40)])
    assert len(views) == (3 if kind == 'CutPaste3Way' else 2)
    normal = views[0][0]
    for expected, got in views:
        difference = np.abs(expected - got)
        assert difference.mean() <= 1.5
        # at an edge of a turned scar OpenCV rounds positions
        assert (difference > 12).mean() <= 0.002
    for expected, _ in views[1:]:
        assert (expected != normal).any((1, 2, 3)).mean() > 0.8


def test_a_piece_lies_where_the_workers_paste_it():
    """Without jitters, pixels tell which they are, and none is between."""
    y, x = np.mgrid[0:48, 0:60]
    image = np.stack([4 * y, 4 * x, 0 * y], axis=2).astype(np.uint8)
    step = dict(type='mmcvgssl.CutPaste', jitter=0, patch_jitter=0)
    for expected, got in both(step, [image] * 30):
        np.testing.assert_allclose(got, expected, atol=0.01)


@pytest.mark.parametrize('angle', [-90, -30, 0, 45, 180])
def test_a_scar_is_turned_as_the_workers_turn_it(angle):
    y, x = np.mgrid[0:80, 0:80]
    image = np.stack([3 * y, 3 * x, 0 * y], axis=2).astype(np.uint8)
    step = dict(
        type='mmcvgssl.CutPasteScar',
        jitter=0,
        patch_jitter=0,
        rotation=(angle, angle),
        widths=(20, 50),
        heights=(30, 90),
    )
    (_, _), (expected, got) = both(step, [image] * 20)
    difference = np.abs(expected - got)
    assert (difference > 2).mean() <= 0.003
    assert (expected != image).any()


def test_contrast_is_about_the_piece():
    """Of a dark piece of a light image, the dark becomes darker."""
    image = np.full((32, 32, 3), 250, np.uint8)
    image[:16] = 20
    image[::4] += 5
    patch = dict(brightness=0, contrast=(1.5, 1.5))
    step = dict(
        type='mmcvgssl.CutPaste', jitter=0, patch_jitter=patch, area=(0.1, 0.1)
    )
    for expected, got in both(step, [image] * 30):
        assert np.abs(expected - got).max() <= 1.5


def test_samples_say_which_view_is_pasted():
    draw = DrawViews(dict(type='mmcvgssl.CutPaste3Way'))
    drawn = draw(dict(img=surface(16, 16, 0)))
    assert drawn['view_labels'].tolist() == [0, 1, 2]


def test_pastes_need_images_of_one_size():
    step = dict(type='mmcvgssl.CutPaste')
    with pytest.raises(ValueError, match=r'one size .*SquareResize'):
        both(step, [surface(16, 16, 0), surface(16, 18, 0)])


def test_grey_images_stay_grey():
    grey = surface(32, 32, 0)[..., :1].repeat(3, axis=2)
    jitter = dict(brightness=0.2, contrast=0.2, saturation=0.5, hue=0.5)
    step = dict(type='mmcvgssl.CutPaste3Way', jitter=jitter)
    for expected, got in both(step, [grey] * 10):
        assert np.ptp(got, axis=-1).max() < 0.01
        assert np.abs(expected - got).mean() < 1.5
