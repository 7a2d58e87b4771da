"""Steps of exported files do what the transforms do."""

from types import SimpleNamespace

import mmdet.datasets  # noqa: F401  (registers transforms)
import mmyolo.datasets  # noqa: F401  (registers transforms)
import numpy as np
import pytest
from mmyolo.registry import TRANSFORMS

from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.datasets.transforms import LoadImage
from mmcvgssl.export.inputs import inputs_of
from mmcvgssl.export.placement import placement_of
from mmcvgssl.export.preparation import picture_of, prepare

SIZES = [(97, 61), (20, 33), (64, 64), (300, 50), (63, 65), (31, 200)]


def build(*steps):
    made = [TRANSFORMS.build(step) for step in steps]
    return made, inputs_of([LoadImage(), *made], 'a file')


def yolo(scale, **options):
    return build(
        dict(type='mmyolo.YOLOv5KeepRatioResize', scale=scale),
        dict(
            type='mmyolo.LetterResize',
            scale=scale,
            pad_val=dict(img=114),
            **options,
        ),
    )


@pytest.mark.parametrize('size', SIZES)
@pytest.mark.parametrize('scale', [(64, 64), (96, 64)])
@pytest.mark.parametrize('larger', [False, True])
def test_letterboxes_are_those_of_mmyolo(size, scale, larger):
    transforms, inputs = yolo(scale, allow_scale_up=larger)
    results = {'img': picture_of(*size)}
    for transform in transforms:
        results = transform(results)
    made = prepare(picture_of(*size), inputs.steps)
    np.testing.assert_array_equal(made[..., ::-1], results['img'])
    assert made.shape == (inputs.height, inputs.width, 3)
    placement = placement_of(size, inputs.steps)
    top, _, left, _ = results['pad_param']
    assert placement.corner == (top, left)
    factor = placement.scaled[1] / size[1], placement.scaled[0] / size[0]
    assert factor == pytest.approx(results['scale_factor'])


@pytest.mark.parametrize('size', [(97, 61), (61, 97), (20, 33), (300, 50)])
@pytest.mark.parametrize('scale', [(64, 64), (96, 64)])
def test_images_are_resized_as_by_mmdet(size, scale):
    resize = TRANSFORMS.build(
        dict(type='mmdet.Resize', scale=scale, keep_ratio=True)
    )
    inputs = inputs_of([LoadImage(), resize], 'a file', lambda _: size)
    results = resize({'img': picture_of(*size)})
    made = prepare(picture_of(*size), inputs.steps)
    np.testing.assert_array_equal(made[..., ::-1], results['img'])
    assert made.shape == (inputs.height, inputs.width, 3)
    placement = placement_of(size, inputs.steps)
    factor = placement.scaled[1] / size[1], placement.scaled[0] / size[0]
    assert factor == pytest.approx(results['scale_factor'])
    with pytest.raises(
        UnreadableImageError, match='export the model once more'
    ):
        prepare(picture_of(77, 75), inputs.steps)


def test_a_size_that_no_image_tells_is_refused():
    resize = TRANSFORMS.build(
        dict(type='mmdet.Resize', scale=(64, 64), keep_ratio=True)
    )
    with pytest.raises(ValueError, match='not resized to one size'):
        inputs_of([LoadImage(), resize], 'a file')


def test_tiles_are_those_of_the_transform():
    (cut,), inputs = build(
        dict(type='mmcvgssl.SquareResize', input_size=32, tile=40, overlap=8)
    )
    results = cut({'img': picture_of(97, 61)})
    made = prepare(picture_of(97, 61), inputs.steps)
    np.testing.assert_array_equal(
        made[..., ::-1].transpose(0, 3, 1, 2), results['img']
    )


def test_an_image_of_which_nothing_is_left_is_said():
    _, inputs = yolo((64, 64))
    with pytest.raises(UnreadableImageError, match='1 x 3000; cut it'):
        prepare(np.zeros((1, 3000, 3), np.uint8), inputs.steps)


@pytest.mark.parametrize(
    'options',
    [dict(use_mini_pad=True), dict(stretch_only=True), dict(pad_val=1.5)],
)
def test_other_letterboxes_are_refused(options):
    step = dict(type='mmyolo.LetterResize', scale=(64, 64), **options)
    with pytest.raises(ValueError, match=r'a file: .*LetterResize.*expected'):
        build(step)
    odd = SimpleNamespace()
    with pytest.raises(ValueError, match='cannot do namespace'):
        inputs_of([LoadImage(), odd], 'a file')
