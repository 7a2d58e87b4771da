"""One geometry of maps, for all that use them."""

import cv2
import numpy as np
import pytest
import torch

from mmcvgssl.evaluation.anomaly_sample import read_sample
from mmcvgssl.maps import LoadAnomalyMap, lay_map, map_to_cells, resize_map
from mmcvgssl.maps.picture import draw_heatmap
from mmcvgssl.models.anomaly import map_to_boxes
from mmcvgssl.models.layers import resize_images
from mmcvgssl.visualization.box_preview import draw_boxes


def slow_resize(values, size):
    """Interpolate from the definition: corners on corners."""
    (h, w), (height, width) = values.shape, size
    made = np.empty(size)
    for y in range(height):
        for x in range(width):
            v = y * (h - 1) / (height - 1) if height > 1 else 0
            u = x * (w - 1) / (width - 1) if width > 1 else 0
            i, j = min(int(v), h - 1), min(int(u), w - 1)
            k, m = min(i + 1, h - 1), min(j + 1, w - 1)
            a, b = v - i, u - j
            made[y, x] = (
                values[i, j] * (1 - a) * (1 - b)
                + values[i, m] * (1 - a) * b
                + values[k, j] * a * (1 - b)
                + values[k, m] * a * b
            )
    return made


@pytest.mark.parametrize(
    ('shape', 'size'),
    [
        ((3, 4), (7, 9)),
        ((5, 5), (5, 5)),
        ((6, 2), (3, 8)),
        ((1, 1), (4, 3)),
        ((1, 3), (2, 7)),
        ((4, 4), (1, 1)),
    ],
)
def test_resizing_puts_corners_on_corners(shape, size):
    values = np.random.default_rng(0).normal(size=shape)
    made = resize_map(values.astype(np.float16), size)
    expected = slow_resize(values.astype(np.float16).astype(float), size)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, expected, atol=1e-5)


@pytest.mark.parametrize('lead', [(), (3,), (2, 1), (0,)])
def test_arrays_and_tensors_are_resized_alike(lead):
    values = np.random.default_rng(0).normal(size=(*lead, 4, 6))
    made = resize_map(values, (9, 7))
    same = resize_map(torch.from_numpy(values), (9, 7))
    assert made.shape == (*lead, 9, 7)
    # by NumPy and by PyTorch, whose sums round otherwise
    np.testing.assert_allclose(made, same.numpy(), rtol=0, atol=1e-6)
    for at in np.ndindex(lead):
        np.testing.assert_array_equal(made[at], resize_map(values[at], (9, 7)))


@pytest.mark.parametrize(
    ('shape', 'size', 'message'),
    [
        ((3,), (4, 4), 'at least one patch'),
        ((0, 3), (4, 4), 'at least one patch'),
        ((3, 3), (0, 4), 'height and width'),
    ],
)
def test_what_is_no_map_or_no_size_is_refused(shape, size, message):
    with pytest.raises(ValueError, match=message):
        resize_map(np.zeros(shape, np.float32), size)


@pytest.mark.parametrize(
    ('shape', 'size'), [((8, 8), (256, 256)), ((3, 16), (40, 90))]
)
def test_all_that_use_a_map_see_it_at_the_same_pixels(shape, size, tmp_path):
    values = np.random.default_rng(1).random(shape).astype(np.float32)
    whole = resize_map(values, size)
    image = np.zeros((*size, 3), np.uint8)
    # training
    np.save(tmp_path / 'm.npy', values)
    loaded = LoadAnomalyMap().transform(
        {'img': image, 'map_path': str(tmp_path / 'm.npy')}
    )['anomaly_map']
    np.testing.assert_array_equal(loaded, whole)
    # metrics
    sample = dict(anomaly_score=1, gt_label=0, ori_shape=size)
    _, read = read_sample({**sample, 'anomaly_map': values}, True, 'i')
    np.testing.assert_array_equal(read['anomaly_map'], whole)
    # boxes: as cut from the resized map itself
    for threshold in (0.4, 0.8):
        boxes = map_to_boxes(values, size, threshold, min_area=0)
        for got, wanted in zip(
            boxes,
            map_to_boxes(whole, size, threshold, min_area=0),
            strict=True,
        ):
            np.testing.assert_array_equal(got, wanted)
    # pictures
    no_boxes = np.zeros((0, 4)), np.zeros(0)
    for draw in (
        lambda m: draw_heatmap(image, anomaly_map=m, map_threshold=0.5),
        lambda m: draw_boxes(image, m, *no_boxes, 0.5, 1.0),
    ):
        np.testing.assert_array_equal(draw(values), draw(whole))


def test_every_picture_has_the_threshold_in_the_middle_of_its_colours():
    image = np.zeros((8, 8, 3), np.uint8)
    middle = cv2.applyColorMap(
        np.full((1, 1), 128, np.uint8), cv2.COLORMAP_INFERNO
    )[0, 0]
    for threshold, highest in ((0.5, 1.0), (-2.0, 3.0), (100.0, 200.0)):
        flat = np.full((2, 2), threshold, np.float32)
        drawn = lay_map(image, flat, threshold, highest)
        np.testing.assert_array_equal(drawn[3, 3], np.rint(middle * 0.4))
    np.testing.assert_array_equal(
        draw_heatmap(image, anomaly_map=flat, map_threshold=100.0),
        draw_boxes(image, flat, np.zeros((0, 4)), np.zeros(0), 100.0, 200.0),
    )


def test_cells_are_read_at_their_middles():
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    cells = map_to_cells(ramp, (4, 2))
    torch.testing.assert_close(
        cells[0, 0], torch.tensor([[1.5, 5.5]]).expand(4, 2)
    )


@pytest.mark.parametrize('mode', ['bilinear', 'bicubic'])
@pytest.mark.parametrize(
    ('side', 'to'),
    [
        ((32, 512), (32, 32)),
        ((32, 512), (64, 64)),
        ((512, 32), (32, 32)),
        ((512, 33), (512, 32)),
        ((512, 32), (33, 64)),
    ],
)
def test_a_side_is_filtered_by_its_own_shrinking(side, to, mode):
    """Stripes too fine for the smaller side become an even grey."""
    height, width = side
    rows = torch.arange(height) % 2 if height > to[0] else torch.ones(height)
    columns = torch.arange(width) % 2 if width > to[1] else torch.ones(width)
    stripes = (rows[:, None] * columns[None]).expand(1, 3, *side).float()
    made = resize_images(stripes, to, mode)
    assert made.shape == (1, 3, *to)
    if width != 33:
        assert float(made[..., 2:-2, 2:-2].std()) < 0.03


def test_sides_are_resized_one_by_one():
    image = torch.rand(
        1, 3, 40, 60, generator=torch.Generator().manual_seed(0)
    )
    both = resize_images(image, (20, 90))
    one = resize_images(resize_images(image, (40, 90)), (20, 90))
    torch.testing.assert_close(both, one, atol=0.05, rtol=0)
    torch.testing.assert_close(resize_images(image, (40, 60)), image)
