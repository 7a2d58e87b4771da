"""CutPaste: what is pasted, where, and how views reach a model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmengine.dataset import default_collate
from mmpretrain.datasets.transforms import ColorJitter

from mmcvgssl.datasets import SurfaceImages
from mmcvgssl.datasets.transforms import (
    CutPaste,
    CutPaste3Way,
    CutPasteScar,
    CutPasteUnion,
    FastColorJitter,
)
from mmcvgssl.registry import MODELS, TRANSFORMS
from tests.data import write_images

KINDS = ['CutPaste', 'CutPasteScar', 'CutPasteUnion', 'CutPaste3Way']
PLAIN = {'patch_jitter': 0, 'jitter': 0}
SIZES = st.tuples(st.integers(1, 90), st.integers(1, 90))


def make(kind: str, **kwargs):
    return TRANSFORMS.build({'type': f'mmcvgssl.{kind}', **kwargs})


def views_of(transform, image: np.ndarray, seed: int = 0) -> dict:
    np.random.seed(seed)
    return transform({'img': image})


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)


def coordinates(height: int, width: int) -> np.ndarray:
    """An image whose pixels tell their row and column."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, 0 * y], axis=2).astype(np.uint8)


def box_of(mask: np.ndarray) -> tuple[slice, slice]:
    rows, columns = np.nonzero(mask.any(1))[0], np.nonzero(mask.any(0))[0]
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def rectangles(image, seeds, **kwargs):
    """Shares of area and aspects of pasted rectangles."""
    transform, areas, aspects = CutPaste(**PLAIN, **kwargs), [], []
    for seed in seeds:
        mask = views_of(transform, image, seed)['paste_masks'][1]
        assert mask[box_of(mask)].all()  # a rectangle without holes
        height, width = mask[box_of(mask)].shape
        areas.append(mask.mean())
        aspects.append(width / height)
    return np.array(areas), np.array(aspects)


@settings(max_examples=60, deadline=None)
@given(size=SIZES, seed=st.integers(0, 2**31), kind=st.sampled_from(KINDS))
def test_nothing_but_the_mask_changes_in_images_of_any_size(size, seed, kind):
    image = noise(*size, seed % 100)
    before = image.copy()
    results = views_of(make(kind), image, seed)
    views, masks = results['img'], results['paste_masks']
    count = 3 if kind == 'CutPaste3Way' else 2
    assert results['view_labels'].tolist() == list(range(count))
    assert len(views) == len(masks) == count
    assert np.array_equal(image, before)
    assert not masks[0].any()
    for view, mask in zip(views, masks, strict=True):
        assert view.shape == (*size, 3)
        assert mask.shape == size
        assert view.dtype == mask.dtype == np.uint8
        assert set(np.unique(mask)) <= {0, 1}
        assert np.array_equal(view[mask == 0], views[0][mask == 0])
    assert all(mask.any() for mask in masks[1:])


@pytest.mark.parametrize('seed', range(30))
@pytest.mark.parametrize('size', [(64, 64), (40, 250), (5, 7)])
def test_a_rectangle_is_a_piece_of_the_image(size, seed):
    image = coordinates(*size)
    results = views_of(CutPaste(**PLAIN), image, seed)
    view, mask = results['img'][1], results['paste_masks'][1]
    patch = view[box_of(mask)]
    y, x = patch[0, 0, :2].astype(int)
    height, width = patch.shape[:2]
    assert np.array_equal(patch, image[y : y + height, x : x + width])
    rows, columns = box_of(mask)
    if (y, x) != (rows.start, columns.start):
        assert np.array_equal(mask > 0, (view != image).any(2))


def test_rectangles_have_the_area_and_aspect_of_the_method():
    side = 256
    areas, aspects = rectangles(
        np.zeros((side, side, 3), np.uint8), range(300)
    )
    # whole pixels: a side is wrong by half of one
    slack = 0.5 * 2 * np.sqrt(0.15 / 0.3) / side
    assert 0.02 - slack <= areas.min() < 0.03
    assert 0.14 < areas.max() <= 0.15 + slack
    assert 0.27 < aspects.min() < 0.35
    assert 2.9 < aspects.max() < 3.6
    logs = np.log(aspects) / np.log(1 / 0.3)  # uniform in [-1, 1]
    assert abs(logs.mean()) < 0.1
    assert abs(logs.std() - 1 / np.sqrt(3)) < 0.06
    assert abs(areas.mean() - 0.085) < 0.01


@pytest.mark.parametrize('size', [(20, 250), (250, 20), (8, 400)])
def test_long_images_keep_the_area_at_the_cost_of_the_aspect(size):
    image = np.zeros((*size, 3), np.uint8)
    areas, _ = rectangles(image, range(60), area=(0.1, 0.1))
    # of one pixel more or less on the longer side
    np.testing.assert_allclose(areas, 0.1, atol=0.5 / min(size) + 0.01)


@pytest.mark.parametrize('share', [0.3, 1.0])
def test_area_and_aspect_can_be_chosen(share):
    image = np.zeros((100, 100, 3), np.uint8)
    options = {'area': (share, share), 'aspect': (0.9, 0.9)}
    areas, aspects = rectangles(image, range(5), **options)
    np.testing.assert_allclose(areas, share, atol=0.02)
    expected = 0.9 if share < 0.9 else 1.0  # no other rectangle fits
    np.testing.assert_allclose(aspects, expected, atol=0.03)


def scar(size, seed=0, **kwargs):
    """A scar in an image of coordinates: the view and its mask."""
    transform = CutPasteScar(**{**PLAIN, **kwargs})
    results = views_of(transform, coordinates(*size), seed)
    return results['img'][1], results['paste_masks'][1]


@pytest.mark.parametrize('angle', [-45, -20, 0, 7, 45, 90])
@pytest.mark.parametrize('shape', [(25, 16), (11, 5), (10, 2), (1, 1)])
def test_a_scar_is_a_rotated_piece_of_the_image(angle, shape):
    height, width = shape
    view, mask = scar(
        (256, 256),
        seed=abs(angle),
        widths=(width, width),
        heights=(height, height),
        rotation=(angle, angle),
    )
    rows, columns = box_of(mask)
    y, x = np.mgrid[rows, columns].astype(float)
    y, x = y - y.mean(), x - x.mean()
    # from the middle, anticlockwise, with rows counted downwards
    turn = np.radians(angle)
    across = x * np.cos(turn) - y * np.sin(turn)
    down = x * np.sin(turn) + y * np.cos(turn)
    outside = np.maximum(abs(across) - width / 2, abs(down) - height / 2)
    inside = mask[rows, columns] > 0
    sure = abs(outside) > 0.1  # the border may go either way
    assert np.array_equal(inside[sure], outside[sure] < 0)
    assert inside.any()
    # rows and columns that the pixels come from, kept within the piece
    values = view[rows, columns][inside].astype(float)
    across = np.clip(across[inside], -(width - 1) / 2, (width - 1) / 2)
    down = np.clip(down[inside], -(height - 1) / 2, (height - 1) / 2)
    for found, expected in ((values[:, 0], down), (values[:, 1], across)):
        offset = found - expected
        assert abs(offset - np.median(offset)).max() <= 1


@pytest.mark.parametrize(
    ('size', 'scale'),
    [((256, 256), 1), ((512, 512), 2), ((128, 700), 0.5), ((700, 128), 0.5)],
)
def test_scars_grow_and_shrink_with_the_image(size, scale):
    shapes = []
    for seed in range(200):
        _, mask = scar(size, seed, rotation=(0, 0))
        assert mask[box_of(mask)].all()
        shapes.append(mask[box_of(mask)].shape)
    heights, widths = np.array(shapes).T
    assert 10 * scale - 0.5 <= heights.min() <= 10 * scale + 1
    assert 25 * scale - 1 <= heights.max() <= 25 * scale + 0.5
    assert 2 * scale - 0.5 <= widths.min() <= 2 * scale + 1
    assert 16 * scale - 1 <= widths.max() <= 16 * scale + 0.5


def test_scars_are_rotated_both_ways_and_from_other_sides_too():
    leaning = []
    for seed in range(60):
        _, mask = scar((64, 64), seed, widths=(8, 8), heights=(80, 80))
        y, x = np.nonzero(mask)
        leaning.append(np.corrcoef(x, y)[0, 1])
    assert min(leaning) < -0.5
    assert max(leaning) > 0.5
    _, mask = scar((64, 64), side=64, rotation=(0, 0), widths=(8, 8))
    assert box_of(mask)[1].stop - box_of(mask)[1].start == 8


@pytest.mark.parametrize('size', [(1, 1), (1, 9), (2, 2), (3, 200), (6, 5)])
def test_what_is_larger_than_the_image_is_cut_down(size):
    for seed in range(20):
        transform = CutPaste3Way(
            rectangle={'area': (0.9, 1.0)},
            scar={'widths': (100, 300), 'heights': (200, 600)},
        )
        results = views_of(transform, noise(*size), seed)
        for view, mask in zip(
            results['img'][1:], results['paste_masks'][1:], strict=True
        ):
            assert view.shape == (*size, 3)
            assert mask.any()


def test_the_union_draws_either():
    kinds = []
    image = np.zeros((256, 256, 3), np.uint8)
    for seed in range(200):
        results = views_of(CutPasteUnion(), image, seed)
        assert results['view_labels'].tolist() == [0, 1]
        # a scar covers 25 x 16 pixels at most, a rectangle at least 1310
        kinds.append(results['paste_masks'][1].sum() > 600)
    assert 0.4 < np.mean(kinds) < 0.6


def test_options_reach_the_pastes():
    rectangle, scar_options = {'area': (0.5, 0.5)}, {'widths': (40, 40)}
    for kind in ('CutPasteUnion', 'CutPaste3Way'):
        transform = make(kind, rectangle=rectangle, scar=scar_options)
        text = repr(transform)
        assert 'area=(0.5, 0.5)' in text
        assert 'widths=(40.0, 40.0)' in text
    results = views_of(transform, np.zeros((100, 100, 3), np.uint8))
    assert results['paste_masks'][1].mean() == pytest.approx(0.5, abs=0.01)
    assert 'rotation=(-45.0, 45.0)' in repr(CutPasteScar())


def test_jitter_reaches_the_image_once_and_the_patch_apart():
    image = np.full((64, 64, 3), (90, 120, 150), np.uint8)
    views = views_of(CutPaste(jitter=0), image)['img']
    assert np.array_equal(views[0], image)
    assert not np.array_equal(views[1], image)
    views = views_of(CutPaste(patch_jitter=0), image)['img']
    assert not np.array_equal(views[0], image)
    assert np.array_equal(views[1], views[0])  # all of one colour
    only = {'brightness': 0.0, 'hue': 0.3}
    hue = views_of(CutPaste(jitter=only), image)['img'][0]
    assert hue.max(2).tolist() == image.max(2).tolist()
    assert not np.array_equal(hue, image)


@settings(max_examples=60, deadline=None)
@given(
    size=SIZES,
    seed=st.integers(0, 2**31),
    grey=st.booleans(),
    amounts=st.tuples(
        *[st.sampled_from([0.0, 0.1, 0.7, (0.2, 2.5)])] * 3,
        st.sampled_from([0.0, 0.1, (-0.5, 0.5)]),
    ),
)
def test_the_fast_jitter_is_the_slow_one(size, seed, grey, amounts):
    image = noise(*size, seed % 100)
    if grey:
        image = np.repeat(image[..., :1], 3, axis=2)
    before = image.copy()
    np.random.seed(seed)
    slow = ColorJitter(*amounts, backend='cv2').transform({'img': image})
    fast = views_of(FastColorJitter(*amounts), image, seed)
    assert np.array_equal(fast['img'], slow['img'])
    assert np.array_equal(image, before)


@pytest.mark.parametrize('kind', KINDS)
def test_seeds_repeat_and_differ(kind):
    image = noise(48, 48)
    one, same, other = (
        views_of(make(kind), image, seed) for seed in (1, 1, 2)
    )
    for key in ('img', 'paste_masks'):
        for a, b in zip(one[key], same[key], strict=True):
            assert np.array_equal(a, b)
        assert not np.array_equal(one[key][1], other[key][1])


@pytest.fixture
def data_set(tmp_path):
    write_images(tmp_path / 'images', 4, side=32)
    keys = ('view_labels', 'paste_masks')
    return SurfaceImages(
        data_root=str(tmp_path / 'images'),
        pipeline=[
            {'type': 'mmcvgssl.LoadImage'},
            {'type': 'mmcvgssl.CutPaste3Way'},
            {'type': 'mmpretrain.PackInputs', 'algorithm_keys': keys},
        ],
    )


def test_a_data_set_fixes_the_views_of_a_sample(data_set):
    first = data_set[2]['inputs']
    np.random.seed(123)
    _ = data_set[0]
    assert all(
        (a == b).all()
        for a, b in zip(first, data_set[2]['inputs'], strict=True)
    )
    data_set.set_epoch(1)
    assert not (first[1] == data_set[2]['inputs'][1]).all()


def test_views_labels_and_masks_are_packed_and_batched(data_set):
    items = [data_set[i] for i in range(4)]
    batch = MODELS.build({'type': 'mmpretrain.SelfSupDataPreprocessor'})(
        default_collate(items), True
    )
    assert [tuple(v.shape) for v in batch['inputs']] == [(4, 3, 32, 32)] * 3
    assert len(batch['data_samples']) == 4
    for i, sample in enumerate(batch['data_samples']):
        assert sample.view_labels.tolist() == [0, 1, 2]
        for view, mask in enumerate(sample.paste_masks):
            changed = batch['inputs'][view][i] != batch['inputs'][0][i]
            assert not (changed.any(0).numpy() & (mask == 0)).any()


@pytest.mark.parametrize(
    ('kind', 'kwargs', 'error', 'message'),
    [
        ('CutPaste', {'area': (0, 0.1)}, ValueError, r'area.*above 0.*\(0, '),
        ('CutPaste', {'area': (0.1, 1.1)}, ValueError, 'at most 1'),
        ('CutPaste', {'aspect': (3, 0.3)}, ValueError, 'aspect.*least, larg'),
        ('CutPaste', {'widths': (2, 3)}, TypeError, 'widths'),
        ('CutPasteScar', {'widths': (-2, 3)}, ValueError, 'widths'),
        ('CutPasteScar', {'heights': (9, 3)}, ValueError, 'heights'),
        ('CutPasteScar', {'rotation': (-400, 3)}, ValueError, 'least -360'),
        ('CutPasteScar', {'side': 0}, ValueError, 'side'),
        ('CutPaste3Way', {'scar': {'area': 1}}, TypeError, 'area'),
        ('CutPasteUnion', {'rectangle': {'area': (2, 2)}}, ValueError, 'area'),
        ('CutPaste', {'jitter': -0.1}, ValueError, 'non negative'),
    ],
)
def test_options_without_sense_are_refused(kind, kwargs, error, message):
    with pytest.raises(error, match=message):
        make(kind, **kwargs)


@pytest.mark.parametrize(
    ('image', 'message'),
    [
        (np.zeros((4, 4), np.uint8), r'uint8 \[4, 4\]'),
        (np.zeros((4, 4, 1), np.uint8), r'uint8 \[4, 4, 1\]'),
        (np.zeros((4, 4, 3), np.float32), 'float32'),
        (np.zeros((0, 4, 3), np.uint8), r'\[0, 4, 3\]'),
        ([np.zeros((4, 4, 3), np.uint8)], 'got list'),
    ],
)
def test_other_images_are_refused(image, message):
    with pytest.raises(ValueError, match=message):
        CutPaste()({'img': image})
