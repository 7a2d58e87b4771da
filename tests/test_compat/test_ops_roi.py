"""RoIAlign and RoIPool against loops over single samples and pixels."""

import math

import numpy as np
import pytest
import torch
from mmcv.ops import RoIAlign, RoIPool

# Inside, across every border, far outside, thin, and a second image.
ROIS = [
    [0, 1.2, 0.7, 5.9, 4.1],
    [1, -2.3, -1.6, 3.4, 2.2],
    [0, 4.5, 3.1, 9.7, 8.3],
    [1, 2.0, 2.0, 2.6, 6.0],
    [1, 30.0, 30.0, 40.0, 40.0],
    [0, 0.0, 0.0, 7.0, 6.0],
]


def bilinear(plane, y, x):
    """Value between pixels; flat for one pixel beyond the border, then 0."""
    height, width = plane.shape
    if y < -1 or y > height or x < -1 or x > width:
        return 0.0
    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
    top, left = min(int(y), height - 2), min(int(x), width - 2)
    below, right = y - top, x - left
    return (
        plane[top, left] * (1 - below) * (1 - right)
        + plane[top, left + 1] * (1 - below) * right
        + plane[top + 1, left] * below * (1 - right)
        + plane[top + 1, left + 1] * below * right
    )


def slow_roi_align(feats, rois, size, scale, ratio, mode, aligned):
    out = np.zeros((len(rois), feats.shape[1], *size))
    for k, (image, *box) in enumerate(rois):
        x1, y1, x2, y2 = (c * scale - 0.5 * aligned for c in box)
        width, height = x2 - x1, y2 - y1
        if not aligned:
            width, height = max(width, 1), max(height, 1)
        step_y, step_x = height / size[0], width / size[1]
        rows = ratio if ratio > 0 else math.ceil(step_y)
        cols = ratio if ratio > 0 else math.ceil(step_x)
        for c, i, j in np.ndindex(out.shape[1:]):
            samples = [
                bilinear(
                    feats[int(image), c],
                    y1 + step_y * (i + (a + 0.5) / rows),
                    x1 + step_x * (j + (b + 0.5) / cols),
                )
                for a in range(rows)
                for b in range(cols)
            ]
            pool = max if mode == 'max' else np.mean
            out[k, c, i, j] = pool(samples)
    return out


def slow_roi_pool(feats, rois, size, scale):
    height, width = feats.shape[2:]
    out = np.zeros((len(rois), feats.shape[1], *size))
    for k, (image, x1, y1, x2, y2) in enumerate(rois):
        left, top = x1 * scale, y1 * scale
        step_x = ((x2 + 1) * scale - left) / size[1]
        step_y = ((y2 + 1) * scale - top) / size[0]
        for c, i, j in np.ndindex(out.shape[1:]):
            rows = range(
                max(math.floor(top + i * step_y), 0),
                min(math.ceil(top + (i + 1) * step_y), height),
            )
            cols = range(
                max(math.floor(left + j * step_x), 0),
                min(math.ceil(left + (j + 1) * step_x), width),
            )
            pixels = [feats[int(image), c, y, x] for y in rows for x in cols]
            out[k, c, i, j] = max(pixels, default=0)
    return out


def slope(function, feats, step=1e-5):
    """Central differences of a scalar function, one pixel at a time."""
    grad = np.zeros_like(feats)
    for place in np.ndindex(feats.shape):
        up, down = feats.copy(), feats.copy()
        up[place] += step
        down[place] -= step
        grad[place] = (function(up) - function(down)) / (2 * step)
    return grad


def draw(channels=2, height=6, width=7):
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, channels, height, width))


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
@pytest.mark.parametrize('scale', [1.0, 0.5])
def test_roi_align(ext, device, mode, aligned, ratio, scale):
    feats = draw()
    want = slow_roi_align(feats, ROIS, (2, 3), scale, ratio, mode, aligned)
    layer = RoIAlign((2, 3), scale, ratio, mode, aligned)
    got = layer(
        torch.tensor(feats, dtype=torch.float32, device=device),
        torch.tensor(ROIS, device=device),
    )
    np.testing.assert_allclose(got.cpu(), want, atol=1e-5)


@pytest.mark.parametrize('mode', ['avg', 'max'])
@pytest.mark.parametrize('aligned', [True, False])
@pytest.mark.parametrize('ratio', [0, 2])
def test_roi_align_gradient(ext, device, mode, aligned, ratio):
    feats = draw(channels=1, height=5, width=5)
    rois = ROIS[:3]
    weight = np.random.default_rng(1).normal(size=(3, 1, 2, 2))

    def loss(values):
        out = slow_roi_align(values, rois, (2, 2), 0.8, ratio, mode, aligned)
        return (weight * out).sum()

    leaf = torch.tensor(feats, device=device, requires_grad=True)
    out = RoIAlign((2, 2), 0.8, ratio, mode, aligned)(
        leaf, torch.tensor(rois, dtype=torch.float64, device=device)
    )
    (out * torch.tensor(weight, device=device)).sum().backward()
    np.testing.assert_allclose(leaf.grad.cpu(), slope(loss, feats), atol=1e-6)


def test_max_roi_align_says_where_the_maximum_lies(ext, device):
    """A single bright pixel: the sample next to it wins, ties the first."""
    feats = torch.zeros(1, 1, 4, 4, device=device)
    feats[0, 0, 2, 1] = 1
    rois = torch.tensor([[0.0, 0, 0, 4, 4]], device=device)
    out, y, x = (torch.zeros(1, 1, 2, 2, device=device) for _ in range(3))
    # Without alignment samples lie at 0.5, 1.5, 2.5, 3.5 on each axis, so
    # (1.5, 0.5) and (1.5, 1.5) tie in their bins at a quarter.
    ext.roi_align_forward(feats, rois, out, y, x, 2, 2, 1.0, 2, 0, False)
    assert out[0, 0, 0, 0] == 0.25
    assert (y[0, 0, 0, 0], x[0, 0, 0, 0]) == (1.5, 0.5)
    assert (y[0, 0, 1, 0], x[0, 0, 1, 0]) == (2.5, 0.5)
    # Where all is dark the first sample stands.
    assert (y[0, 0, 0, 1], x[0, 0, 0, 1]) == (0.5, 2.5)


def test_max_roi_align_splits_large_work(ext, monkeypatch):
    from mmcvgssl.compat.ops import roi_align

    feats = torch.tensor(draw(), dtype=torch.float32)
    layer = RoIAlign((2, 3), 1.0, 0, 'max')
    whole = layer(feats, torch.tensor(ROIS))
    monkeypatch.setattr(roi_align, '_BUDGET', 1)
    torch.testing.assert_close(layer(feats, torch.tensor(ROIS)), whole)


@pytest.mark.parametrize('scale', [1.0, 0.5])
def test_roi_pool(ext, device, scale):
    feats = draw()
    got = RoIPool((2, 3), scale)(
        torch.tensor(feats, dtype=torch.float32, device=device),
        torch.tensor(ROIS, device=device),
    )
    want = slow_roi_pool(feats, ROIS, (2, 3), scale)
    np.testing.assert_allclose(got.cpu(), want, atol=1e-6)


def test_roi_pool_gradient(ext, device):
    feats = draw(channels=1, height=5, width=5)
    rois = [ROIS[0], ROIS[1], ROIS[4]]
    weight = np.random.default_rng(1).normal(size=(3, 1, 2, 2))
    leaf = torch.tensor(feats, device=device, requires_grad=True)
    out = RoIPool((2, 2), 1.0)(
        leaf, torch.tensor(rois, dtype=torch.float64, device=device)
    )
    (out * torch.tensor(weight, device=device)).sum().backward()
    want = slope(
        lambda v: (weight * slow_roi_pool(v, rois, (2, 2), 1.0)).sum(), feats
    )
    np.testing.assert_allclose(leaf.grad.cpu(), want, atol=1e-6)


def test_roi_pool_argmax(ext, device):
    """The first of equal pixels in reading order, -1 in an empty bin."""
    feats = torch.full((1, 1, 3, 4), -2.0, device=device)
    boxes = [
        [0.0, 1, 1, 2, 2],  # inside
        [0.0, 1, 1, 8, 2],  # its right half outside
        [0.0, 9, 9, 12, 12],  # all of it outside
        [0.0, 2, 2, 0, 0],  # without area, so left as it came
    ]
    rois = torch.tensor(boxes, device=device)
    out = torch.full((4, 1, 1, 2), 5.0, device=device)
    argmax = torch.full((4, 1, 1, 2), 7, dtype=torch.int, device=device)
    ext.roi_pool_forward(feats, rois, out, argmax, 1, 2, 1.0)
    assert argmax.flatten(1).tolist() == [[5, 6], [5, -1], [-1, -1], [7, 7]]
    assert out.flatten(1).tolist() == [[-2, -2], [-2, 0], [0, 0], [5, 5]]


def test_max_roi_align_sends_nothing_back_from_an_empty_bin(ext, device):
    """A bin is marked empty by -1; the other one lies on a pixel."""
    grad_output = torch.ones(1, 1, 1, 2, device=device)
    rois = torch.zeros(1, 5, device=device)
    y = torch.tensor([[[[-1.0, 1.0]]]], device=device)
    x = torch.tensor([[[[-1.0, 2.0]]]], device=device)
    grad = torch.zeros(1, 1, 3, 4, device=device)
    ext.roi_align_backward(
        grad_output, rois, y, x, grad, 1, 2, 1.0, 2, 0, True
    )
    assert grad.nonzero().tolist() == [[0, 0, 1, 2]]
    assert grad.sum() == 1


@pytest.mark.parametrize(
    'layer', [RoIAlign(2), RoIPool(2)], ids=['align', 'pool']
)
def test_pooling_of_no_regions(ext, device, layer):
    feats = torch.randn(1, 3, 4, 4, device=device, requires_grad=True)
    out = layer(feats, torch.zeros(0, 5, device=device))
    assert out.shape == (0, 3, 2, 2)
    out.sum().backward()
    assert not feats.grad.any()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    'layer',
    [RoIAlign(2), RoIAlign(2, pool_mode='max'), RoIPool(2)],
    ids=['align', 'align-max', 'pool'],
)
def test_pooling_takes_half_precision(ext, device, layer, dtype):
    feats = torch.tensor(draw(), device=device).to(dtype)
    # Inside the map the weights of each mean, or maximum, add up to one.
    rois = torch.tensor([ROIS[0], ROIS[5]], device=device).to(dtype)
    want = layer(feats.float(), rois.float())
    leaf = feats.clone().requires_grad_()
    with torch.autocast(device, dtype=dtype):
        got = layer(leaf, rois)
    assert got.dtype == dtype
    torch.testing.assert_close(got.float(), want, atol=0.02, rtol=0.02)
    got.float().sum().backward()
    assert leaf.grad.float().sum().item() == pytest.approx(
        got.numel(), rel=0.05
    )


def test_pooling_refuses_other_shapes(ext):
    feats, rois, out = torch.zeros(1, 1, 4, 4), torch.zeros(2, 4), None
    with pytest.raises(ValueError, match=r'`rois` of shape \(K,5\)'):
        ext.roi_align_forward(
            feats, rois, out, out, out, 2, 2, 1.0, 0, 1, True
        )
    with pytest.raises(ValueError, match=r'`rois` of shape \(K,5\)'):
        ext.roi_pool_forward(feats, rois, out, out, 2, 2, 1.0)
