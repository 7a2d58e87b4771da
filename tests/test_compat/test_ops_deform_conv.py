"""Deformable convolutions against a loop over single taps."""

import math

import numpy as np
import pytest
import torch
from mmcv.ops import DeformConv2d, ModulatedDeformConv2d, deform_conv2d
from mmcv.ops import modulated_deform_conv2d as modulated

# kernel, stride, padding, dilation (rows, columns), groups, deform groups
GEOMETRIES = {
    'plain': ((2, 2), (1, 1), (0, 0), (1, 1), 1, 1),
    'uneven': ((2, 3), (2, 1), (1, 2), (1, 2), 1, 1),
    'grouped': ((2, 2), (1, 2), (1, 1), (2, 1), 2, 1),
    'deform-groups': ((2, 1), (1, 1), (1, 0), (1, 1), 1, 2),
    'both': ((1, 2), (1, 1), (0, 1), (1, 1), 2, 4),
}
BATCH, INPUTS, OUTPUTS, HEIGHT, WIDTH = 2, 4, 2, 4, 5


def value_at(plane, y, x):
    """Bilinear with zeros around the map."""
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for col in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < plane.shape[0] and 0 <= col < plane.shape[1]:
                part = (1 - abs(y - row)) * (1 - abs(x - col))
                total += part * plane[row, col]
    return total


def out_size(geometry):
    kernel, stride, padding, dilation = geometry[:4]
    return tuple(
        (size + 2 * padding[d] - dilation[d] * (kernel[d] - 1) - 1)
        // stride[d]
        + 1
        for d, size in enumerate((HEIGHT, WIDTH))
    )


def slow_conv(x, offset, weight, mask, geometry):
    """Offset of group g and tap k: channel 2 (g K + k) is y, the next x."""
    kernel, stride, padding, dilation, groups, deform_groups = geometry
    taps = kernel[0] * kernel[1]
    out = np.zeros((BATCH, OUTPUTS, *out_size(geometry)))
    per_group = INPUTS // groups
    for b, o, i, j in np.ndindex(out.shape):
        group = o // (OUTPUTS // groups)
        for c in range(per_group):
            channel = group * per_group + c
            deform = channel // (INPUTS // deform_groups)
            for a, e in np.ndindex(kernel):
                tap = deform * taps + a * kernel[1] + e
                y = i * stride[0] - padding[0] + a * dilation[0]
                z = j * stride[1] - padding[1] + e * dilation[1]
                found = value_at(
                    x[b, channel],
                    y + offset[b, 2 * tap, i, j],
                    z + offset[b, 2 * tap + 1, i, j],
                )
                share = 1 if mask is None else mask[b, tap, i, j]
                out[b, o, i, j] += weight[o, c, a, e] * share * found
    return out


def draw(geometry):
    rng = np.random.default_rng(0)
    kernel, groups, deform_groups = geometry[0], geometry[4], geometry[5]
    taps = deform_groups * kernel[0] * kernel[1]
    size = out_size(geometry)
    return {
        'x': rng.normal(size=(BATCH, INPUTS, HEIGHT, WIDTH)),
        'offset': rng.normal(size=(BATCH, 2 * taps, *size)) * 1.5,
        'weight': rng.normal(size=(OUTPUTS, INPUTS // groups, *kernel)),
        'mask': rng.uniform(size=(BATCH, taps, *size)),
        'bias': rng.normal(size=OUTPUTS),
    }


def slow(parts, geometry, kind):
    mask = parts['mask'] if kind == 'modulated' else None
    out = slow_conv(
        parts['x'], parts['offset'], parts['weight'], mask, geometry
    )
    if kind == 'modulated':
        out += parts['bias'][:, None, None]
    return out


def fast(leaves, geometry, kind):
    if kind == 'plain':
        return deform_conv2d(
            leaves['x'], leaves['offset'], leaves['weight'], *geometry[1:]
        )
    return modulated(
        leaves['x'],
        leaves['offset'],
        leaves['mask'],
        leaves['weight'],
        leaves['bias'],
        *geometry[1:],
    )


def to_leaves(parts, device, dtype):
    return {
        name: torch.tensor(
            part, device=device, dtype=dtype, requires_grad=True
        )
        for name, part in parts.items()
    }


@pytest.mark.parametrize('kind', ['plain', 'modulated'])
@pytest.mark.parametrize('name', GEOMETRIES)
def test_forward(ext, device, kind, name):
    geometry = GEOMETRIES[name]
    parts = draw(geometry)
    got = fast(to_leaves(parts, device, torch.float32), geometry, kind)
    want = slow(parts, geometry, kind)
    np.testing.assert_allclose(got.detach().cpu(), want, atol=1e-5)


@pytest.mark.parametrize('kind', ['plain', 'modulated'])
@pytest.mark.parametrize('name', GEOMETRIES)
def test_gradients(ext, device, kind, name):
    """Slope along random directions of every input of the slow reference."""
    geometry = GEOMETRIES[name]
    parts = draw(geometry)
    leaves = to_leaves(parts, device, torch.float64)
    out = fast(leaves, geometry, kind)
    rng = np.random.default_rng(1)
    pull = rng.normal(size=out.shape)
    (out * torch.tensor(pull, device=device)).sum().backward()
    used = ['x', 'offset', 'weight', 'mask', 'bias']
    for key in used[: 3 if kind == 'plain' else 5]:
        for _ in range(3):
            way = rng.normal(size=parts[key].shape)
            step = 1e-6
            ends = [
                slow({**parts, key: parts[key] + side * way}, geometry, kind)
                for side in (step, -step)
            ]
            want = (pull * (ends[0] - ends[1])).sum() / (2 * step)
            got = (leaves[key].grad.cpu().numpy() * way).sum()
            assert got == pytest.approx(want, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize(
    ('layer', 'channels'), [(DeformConv2d, 18), (ModulatedDeformConv2d, 18)]
)
def test_without_offsets_it_is_a_convolution(ext, device, layer, channels):
    conv = layer(3, 4, 3, padding=1).to(device)
    x = torch.randn(2, 3, 5, 5, device=device)
    extra = [torch.zeros(2, channels, 5, 5, device=device)]
    if layer is ModulatedDeformConv2d:
        extra.append(torch.ones(2, 9, 5, 5, device=device))
    want = torch.nn.functional.conv2d(x, conv.weight, padding=1)
    torch.testing.assert_close(conv(x, *extra), want, atol=1e-5, rtol=1e-5)


def test_taps_on_the_padding_do_not_pull(ext, device):
    """With offsets of zero, where training starts, they lie at exactly -1."""
    x = torch.randn(1, 2, 4, 4, device=device)
    offset = torch.zeros(1, 18, 4, 4, device=device, requires_grad=True)
    conv = DeformConv2d(2, 3, 3, padding=1).to(device)
    conv(x, offset).sum().backward()
    first_tap = offset.grad[0, :2]  # one row up and one column left
    assert not first_tap[:, 0].any()
    assert not first_tap[:, :, 0].any()
    assert first_tap[:, 1:, 1:].all()
    last_tap = offset.grad[0, -2:]
    assert not last_tap[:, -1].any()
    assert last_tap[:, :-1, :-1].all()


def test_weight_gradient_is_scaled_and_added(ext):
    """What the compiled op does with ``scale`` and a filled gradient."""
    geometry = GEOMETRIES['plain']
    leaves = to_leaves(draw(geometry), 'cpu', torch.float64)
    out = fast(leaves, geometry, 'plain')
    out.sum().backward()
    grad = torch.ones_like(leaves['weight'])
    empty = torch.zeros(0)
    ext.deform_conv_backward_parameters(
        leaves['x'],
        leaves['offset'],
        torch.ones_like(out),
        grad.detach_(),
        empty,
        empty,
        kW=2,
        kH=2,
        dW=1,
        dH=1,
        padW=0,
        padH=0,
        dilationW=1,
        dilationH=1,
        group=1,
        deformable_group=1,
        scale=0.5,
        im2col_step=1,
    )
    want = 1 + 0.5 * leaves['weight'].grad
    torch.testing.assert_close(grad, want)


@pytest.mark.parametrize('kind', ['plain', 'modulated'])
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision(ext, device, kind, dtype):
    """Under autocast offsets come in half precision, the rest does not."""
    geometry = GEOMETRIES['uneven']
    leaves = to_leaves(draw(geometry), device, dtype)
    parts = {k: v.detach().double().cpu().numpy() for k, v in leaves.items()}
    mixed = {**leaves, 'x': leaves['x'].detach().float().requires_grad_()}
    with torch.autocast(device, dtype=dtype):
        got = fast(mixed, geometry, kind)
    assert got.dtype == dtype
    np.testing.assert_allclose(
        got.detach().float().cpu(),
        slow(parts, geometry, kind),
        atol=0.05,
        rtol=0.02,
    )
    got.float().sum().backward()
    assert mixed['x'].grad.dtype == torch.float32
    assert leaves['offset'].grad.dtype == dtype


def test_wrong_offsets_are_refused(ext):
    conv = DeformConv2d(3, 4, 3, padding=1)
    x = torch.zeros(1, 3, 5, 5)
    with pytest.raises(ValueError, match=r'`offset` of shape \(1,18,H,W\)'):
        conv(x, torch.zeros(1, 9, 5, 5))
    with pytest.raises(ValueError, match='expected 3 input channels'):
        conv(torch.zeros(1, 2, 5, 5), torch.zeros(1, 18, 5, 5))
