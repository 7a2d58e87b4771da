"""Views: by seeds and by what holds for every seed."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcvgssl.datasets.transforms import MultiCrop
from mmcvgssl.datasets.transforms.multi_crop import CROP_SCALES
from mmcvgssl.registry import TRANSFORMS

SIDE = 48


class Marker:
    """A transform that marks what it was given."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __call__(self, results: dict) -> dict:
        results['img'] = results['img'] * 0 + self.value
        results['marks'] = [*results.get('marks', []), self.value]
        return results


def mark(value: int) -> dict:
    name = f'Marker{value}'
    if name not in TRANSFORMS:
        TRANSFORMS.register_module(name=name, module=type(name, (Marker,), {}))
    return {'type': f'mmcvgssl.{name}', 'value': value}


def seed(value: int) -> None:
    random.seed(value)
    np.random.seed(value)
    torch.manual_seed(value)


def coordinates() -> np.ndarray:
    """An image whose channels say where a pixel is from."""
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    return np.stack([x, y, 0 * x], axis=2).astype(np.uint8)


def views_of(crop: MultiCrop, image=None, value: int = 0) -> list[np.ndarray]:
    seed(value)
    image = coordinates() if image is None else image
    return crop({'img': image, 'img_shape': image.shape[:2]})['img']


def test_default_ranges_are_those_of_the_method():
    assert CROP_SCALES == (
        (0.2, 1.0),
        (0.172, 0.86),
        (0.143, 0.715),
        (0.114, 0.571),
    )
    assert [v.shape for v in views_of(MultiCrop(32))] == [(32, 32, 3)] * 5


@pytest.mark.parametrize(
    ('crop_size', 'sides'),
    [
        (None, [24, 24, 24]),
        (16, [24, 16, 16]),
        ([16, 12], [24, 16, 12]),
        ((32, 24), [24, 32, 24]),
    ],
)
def test_numbers_and_sizes_of_views(crop_size, sides):
    crop = MultiCrop(
        24, crop_scales=[(0.2, 0.5), (0.1, 0.3)], crop_size=crop_size
    )
    assert [v.shape for v in views_of(crop)] == [(s, s, 3) for s in sides]


def test_crops_may_be_left_out():
    assert len(views_of(MultiCrop(24, crop_scales=()))) == 1


def test_the_weak_view_comes_first():
    crop = MultiCrop(
        8,
        crop_scales=[(0.2, 0.5)] * 2,
        weak_transforms=[mark(1)],
        crop_transforms=[mark(2), mark(3)],
    )
    assert [int(v.max()) for v in views_of(crop)] == [1, 3, 3]


def area(view: np.ndarray) -> float:
    """Share of the image a view was cut from, from its coordinates."""
    x, y = view[..., 0].astype(float), view[..., 1].astype(float)
    # neighbouring output pixels lie this far apart in the image
    n = len(view) - 1
    width = (x.max() - x.min()) / n * (n + 1)
    height = (y.max() - y.min()) / n * (n + 1)
    return width * height / SIDE**2


@settings(max_examples=30, deadline=None)
@given(
    value=st.integers(0, 2**31),
    low=st.floats(0.3, 0.6),
    span=st.floats(0.0, 0.2),
)
def test_areas_lie_in_their_ranges(value, low, span):
    ranges = [(low, low + span), (0.9, 1.0), (0.3, 0.3)]
    crop = MultiCrop(
        SIDE,
        weak_scale=(0.5, 0.5),
        crop_scales=ranges,
        aspect_ratio=(1.0, 1.0),
    )
    for view, (least, most) in zip(
        views_of(crop, value=value), [(0.5, 0.5), *ranges], strict=True
    ):
        # a crop has whole pixels: one more or less a side
        slack = 2.5 / SIDE
        assert least - slack <= area(view) <= most + slack


def test_ranges_are_drawn_over_their_whole_width():
    crop = MultiCrop(SIDE, crop_scales=[(0.1, 0.9)], aspect_ratio=(1.0, 1.0))
    areas = [area(views_of(crop, value=i)[1]) for i in range(60)]
    assert min(areas) < 0.25
    assert max(areas) > 0.75


@settings(max_examples=15, deadline=None)
@given(value=st.integers(0, 2**31), height=st.integers(2, 60))
def test_the_image_is_left_alone_and_seeds_repeat(value, height):
    generator = np.random.default_rng(value)
    image = generator.integers(0, 256, (height, 40, 3), dtype=np.uint8)
    before = image.copy()
    after = [
        {'type': 'mmpretrain.ColorJitter', 'brightness': 0.2},
        {'type': 'mmpretrain.RandomFlip', 'prob': 0.5},
        {'type': 'mmpretrain.GaussianBlur', 'magnitude_range': (0.1, 2.0)}
        | {'magnitude_std': 'inf', 'prob': 0.5},
    ]
    crop = MultiCrop(16, weak_transforms=after, crop_transforms=after)
    one, two = (views_of(crop, image, value) for _ in range(2))
    assert np.array_equal(image, before)
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert all(v.flags.owndata or v.base is not image for v in one)


def test_views_differ_from_each_other_and_between_seeds():
    crop = MultiCrop(16)
    one, two = views_of(crop, value=0), views_of(crop, value=1)
    assert not np.array_equal(one[0], two[0])
    assert not np.array_equal(one[1], one[2])


def test_transforms_of_one_view_do_not_reach_the_next():
    crop = MultiCrop(8, crop_transforms=[mark(4)])
    results = crop({'img': coordinates(), 'img_shape': (SIDE, SIDE)})
    assert 'marks' not in results
    assert results['img_shape'] == (SIDE, SIDE)


def test_the_weak_view_may_be_the_whole_image():
    image = np.zeros((40, 20, 3), np.uint8)
    image[20:, 10:] = 200
    crop = MultiCrop(16, weak_scale=None, crop_scales=[(0.2, 0.4)])
    for value in range(3):
        weak, _ = views_of(crop, image, value)
        expected = np.zeros((16, 16, 3), np.uint8)
        expected[8:, 8:] = 200
        off = (slice(7, 9),), (slice(None), slice(7, 9))  # interpolated
        for part in off:
            weak[part] = expected[part] = 0
        assert np.array_equal(weak, expected)


def test_interpolation_is_passed_on():
    flat = np.zeros((8, 8, 3), np.uint8)
    flat[:, 4:] = 255
    kwargs = {'weak_scale': (1.0, 1.0), 'crop_scales': ()}
    kwargs |= {'aspect_ratio': (1.0, 1.0)}
    hard = MultiCrop(13, interpolation='nearest', **kwargs)
    soft = MultiCrop(13, interpolation='bilinear', **kwargs)
    assert set(np.unique(views_of(hard, flat)[0])) == {0, 255}
    assert len(np.unique(views_of(soft, flat)[0])) > 2
    assert 'RandomResizedCrop' in repr(hard)


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        ({'crop_size': [8, 8]}, r'4 numbers.*got \[8, 8\]'),
        ({'weak_scale': (0.0, 1.0)}, 'within'),
        ({'weak_scale': (0.5, 0.2)}, 'within'),
        ({'weak_scale': (0.5, 1.2)}, 'range'),
        ({'crop_scales': [(0.2, 1.0), (0.3, 2.0)]}, r'\(0.3, 2.0\)'),
        ({'view_size': 0}, 'side 0'),
        ({'crop_scales': [(0.2, 1.0)], 'crop_size': [-4]}, 'side -4'),
    ],
)
def test_ranges_and_sizes_without_sense_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        MultiCrop(**{'view_size': 8, **kwargs})
