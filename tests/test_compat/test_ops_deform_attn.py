"""Multi-scale deformable attention against a loop over single samples."""

import math

import numpy as np
import pytest
import torch
from mmcv.ops.multi_scale_deform_attn import (
    MultiScaleDeformableAttention,
    MultiScaleDeformableAttnFunction,
)

SHAPES = [(4, 3), (2, 5)]  # rows and columns of each level
BATCH, QUERIES, HEADS, DIM, POINTS = 2, 3, 2, 2, 2


def sample(plane, y, x):
    """Bilinear with zeros around the map: values (D,) of plane (H, W, D)."""
    total = 0
    for row in (math.floor(y), math.floor(y) + 1):
        for col in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < plane.shape[0] and 0 <= col < plane.shape[1]:
                part = (1 - abs(y - row)) * (1 - abs(x - col))
                total = total + part * plane[row, col]
    return total


def slow_attention(value, positions, weights):
    out = np.zeros((BATCH, QUERIES, HEADS, DIM))
    for b, q, m in np.ndindex(out.shape[:3]):
        start = 0
        for level, (height, width) in enumerate(SHAPES):
            stop = start + height * width
            plane = value[b, start:stop, m].reshape(height, width, DIM)
            start = stop
            for p in range(POINTS):
                x, y = positions[b, q, m, level, p]
                taken = sample(plane, y * height - 0.5, x * width - 0.5)
                out[b, q, m] += weights[b, q, m, level, p] * taken
    return out.reshape(BATCH, QUERIES, HEADS * DIM)


def slope(function, point, step=1e-6):
    grad = np.zeros_like(point)
    for place in np.ndindex(point.shape):
        kept = point[place]
        point[place] = kept + step
        up = function()
        point[place] = kept - step
        grad[place] = (up - function()) / (2 * step)
        point[place] = kept
    return grad


def draw():
    rng = np.random.default_rng(0)
    keys = sum(height * width for height, width in SHAPES)
    value = rng.normal(size=(BATCH, keys, HEADS, DIM))
    shape = (BATCH, QUERIES, HEADS, len(SHAPES), POINTS)
    # Some points beyond the borders.
    positions = rng.uniform(-0.3, 1.3, (*shape, 2))
    return value, positions, rng.uniform(size=shape)


def apply(parts, device, dtype=torch.float64):
    leaves = [
        torch.tensor(part, device=device, dtype=dtype, requires_grad=True)
        for part in parts
    ]
    out = MultiScaleDeformableAttnFunction.apply(
        leaves[0],
        torch.tensor(SHAPES, device=device),
        torch.tensor([0, 12], device=device),
        leaves[1],
        leaves[2],
        64,
    )
    return out, leaves


def test_forward(ext, device):
    parts = draw()
    out, _ = apply(parts, device, torch.float32)
    want = slow_attention(*parts)
    np.testing.assert_allclose(out.detach().cpu(), want, atol=1e-5)


def test_gradients(ext, device):
    parts = draw()
    out, leaves = apply(parts, device)
    weight = np.random.default_rng(1).normal(size=out.shape)
    (out * torch.tensor(weight, device=device)).sum().backward()
    for leaf, part in zip(leaves, parts, strict=True):
        want = slope(lambda: (weight * slow_attention(*parts)).sum(), part)
        np.testing.assert_allclose(leaf.grad.cpu(), want, atol=1e-6)


def test_a_point_a_pixel_outside_does_not_pull(ext, device):
    """At exactly -1 the sample is zero, and by definition flat."""
    value, positions, weights = draw()
    positions[:, :, :, 0, 0] = [-0.5 / 3, 0.5]  # x of the level of 3 columns
    positions[:, :, :, 0, 1] = [-0.4 / 3, 0.5]
    out, leaves = apply((value, positions, weights), device)
    out.sum().backward()
    assert not leaves[1].grad[:, :, :, 0, 0].any()
    assert leaves[1].grad[:, :, :, 0, 1].all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision(ext, device, dtype):
    parts = draw()
    with torch.autocast(device, dtype=dtype):
        out, leaves = apply(parts, device, dtype)
    rounded = [leaf.detach().double().cpu().numpy() for leaf in leaves]
    assert out.dtype == dtype
    want = slow_attention(*rounded)
    np.testing.assert_allclose(
        out.detach().float().cpu(), want, atol=0.02, rtol=0.02
    )
    out.float().sum().backward()
    assert all(leaf.grad.dtype == dtype for leaf in leaves)


def test_module_trains_as_with_mmcvs_own_path(ext, device, monkeypatch):
    """The branch that mmcv takes on CUDA, and its plain PyTorch branch."""
    from mmcv.ops import multi_scale_deform_attn as home

    module = MultiScaleDeformableAttention(8, 2, 2, 2, dropout=0).to(device)
    keys = torch.randn(22, 1, 8, device=device)
    call = {
        'query': torch.randn(3, 1, 8, device=device),
        'value': keys,
        'reference_points': torch.rand(1, 3, 2, 2, device=device),
        'spatial_shapes': torch.tensor(SHAPES, device=device),
        'level_start_index': torch.tensor([0, 12], device=device),
    }
    plain = home.multi_scale_deformable_attn_pytorch

    def through_ext(value, shapes, positions, weights):
        starts = torch.tensor([0, 12], device=device)
        return MultiScaleDeformableAttnFunction.apply(
            value, shapes, starts, positions, weights, 64
        )

    results = []
    for path in (plain, through_ext):
        monkeypatch.setattr(home, 'IS_CUDA_AVAILABLE', False)
        monkeypatch.setattr(home, 'multi_scale_deformable_attn_pytorch', path)
        module.zero_grad()
        out = module(**call)
        out.square().sum().backward()
        results.append([out, *(p.grad for p in module.parameters())])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)


def test_other_shapes_are_refused(ext):
    value, positions, weights = (torch.tensor(part) for part in draw())
    starts = torch.tensor([0, 12])
    with pytest.raises(ValueError, match='`attn_weight` of shape'):
        ext.ms_deform_attn_forward(
            value, torch.tensor(SHAPES), starts, positions, weights[:, 1:], 64
        )
