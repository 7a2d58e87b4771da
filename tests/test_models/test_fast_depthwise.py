"""Gradients of depthwise convolutions in bfloat16."""

import pytest
import torch
from torch import nn

from mmcvgssl.models.layers import FastDepthwise
from mmcvgssl.models.layers.fast_depthwise import _Depthwise

# kernel, stride, padding, side of the image
SHAPES = [
    (3, 1, 1, (9, 12)),
    (3, 2, 0, (9, 12)),
    (3, 2, 1, (8, 8)),
    (5, 1, 2, (8, 7)),
    (5, 2, 0, (11, 10)),
    (5, 2, 2, (10, 11)),
    ((3, 5), (2, 1), (1, 2), (9, 9)),
    (5, 3, 1, (13, 16)),
    (1, 2, 0, (6, 6)),
]


def gradients(layer, image, fast):
    image = image.clone().requires_grad_()
    layer.zero_grad()
    with torch.autocast('cpu', torch.bfloat16):
        if fast:
            with FastDepthwise():
                out = layer(image)
        else:
            out = layer(image)
    weights = torch.linspace(-1, 1, out.numel()).view_as(out)
    (out.float() * weights).sum().backward()
    return [out, image.grad, *(p.grad for p in layer.parameters())]


@pytest.mark.parametrize(('kernel', 'stride', 'padding', 'size'), SHAPES)
@pytest.mark.parametrize('bias', [True, False])
def test_gradients_are_those_of_pytorch(kernel, stride, padding, size, bias):
    torch.manual_seed(0)
    layer = nn.Conv2d(
        *(6, 6, kernel), stride=stride, padding=padding, groups=6, bias=bias
    )
    image = torch.rand(3, 6, *size)
    plain = gradients(layer, image, False)
    fast = gradients(layer, image, True)
    assert torch.equal(fast[0], plain[0])
    for one, other in zip(fast[1:], plain[1:], strict=True):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        bound = 0.02 * other.abs().max()  # bfloat16 has eight bits
        assert (one - other).abs().max() < bound


def calls(monkeypatch, layer, image):
    made = []
    apply = _Depthwise.apply
    monkeypatch.setattr(
        _Depthwise, 'apply', lambda *args: made.append(1) or apply(*args)
    )
    with FastDepthwise(), torch.autocast('cpu', torch.bfloat16):
        layer(image)
    return len(made)


@pytest.mark.parametrize(
    ('layer', 'count'),
    [
        (nn.Conv2d(4, 4, 3, groups=4), 1),
        (nn.Conv2d(4, 4, 3), 0),
        (nn.Conv2d(4, 8, 3, groups=4), 0),
        (nn.Conv2d(4, 4, 3, groups=2), 0),
        (nn.Conv2d(4, 4, 3, groups=4, dilation=2), 0),
        (nn.Conv2d(4, 4, 3, groups=4, padding='same'), 0),
        (nn.Conv2d(4, 4, 3, groups=4, padding=3), 0),
    ],
)
def test_other_convolutions_pass_through(monkeypatch, layer, count):
    assert calls(monkeypatch, layer, torch.rand(1, 4, 8, 8)) == count


def test_float32_and_inference_pass_through(monkeypatch):
    layer, image = nn.Conv2d(4, 4, 3, groups=4), torch.rand(1, 4, 8, 8)
    with torch.no_grad():
        assert calls(monkeypatch, layer, image) == 0
    with FastDepthwise():
        assert layer(image).dtype is torch.float32


def test_frozen_weights_get_no_gradient():
    layer = nn.Conv2d(4, 4, 5, groups=4).requires_grad_(False)
    image = torch.rand(1, 4, 8, 8, requires_grad=True)
    with FastDepthwise(), torch.autocast('cpu', torch.bfloat16):
        layer(image).sum().backward()
    assert layer.weight.grad is None
    assert image.grad.abs().sum() > 0
