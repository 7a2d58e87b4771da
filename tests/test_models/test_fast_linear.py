"""Linear layers by oneDNN, beside PyTorch's."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmcvgssl.models.layers import fast_linear, linear, two_layers

SHAPES = [(3, 8), (2, 5, 8), (1, 1, 1, 8), (0, 8)]


def close(found: Tensor, wanted: Tensor) -> None:
    assert found.dtype == wanted.dtype
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize('onednn', [True, False])
@pytest.mark.parametrize('gelu', [True, False])
@pytest.mark.parametrize('shape', SHAPES)
def test_results_are_those_of_pytorch(monkeypatch, shape, gelu, onednn):
    if not onednn:
        monkeypatch.setattr(
            fast_linear, '_onednn_multiplies', lambda *_: False
        )
    torch.manual_seed(0)
    x, weight, bias = torch.randn(shape), torch.randn(6, 8), torch.randn(6)
    wanted = F.linear(x, weight, bias)
    close(linear(x, weight, bias, gelu), F.gelu(wanted) if gelu else wanted)


def test_gradients_are_those_of_pytorch():
    x = torch.randn(4, 8)
    weight = torch.randn(6, 8, requires_grad=True)
    linear(x, weight, torch.zeros(6), gelu=True).sum().backward()
    other = weight.detach().clone().requires_grad_()
    F.gelu(F.linear(x, other)).sum().backward()
    close(weight.grad, other.grad)


def test_autocast_and_half_precision_stay():
    x, weight, bias = torch.randn(4, 8), torch.randn(6, 8), torch.randn(6)
    with torch.autocast('cpu', torch.bfloat16):
        assert linear(x, weight, bias).dtype == torch.bfloat16
    half = [t.bfloat16() for t in (x, weight, bias)]
    close(linear(*half), F.linear(*half))


def mlp(*middle: nn.Module, **kwargs) -> nn.Module:
    torch.manual_seed(1)
    first = nn.Linear(8, 12, **kwargs)
    return nn.Sequential(first, *middle, nn.Linear(12, 8, **kwargs))


MLPS = {
    'exact': lambda: mlp(nn.GELU()),
    'tanh': lambda: mlp(nn.GELU('tanh')),
    'other activation': lambda: mlp(nn.SiLU()),
    'no bias': lambda: mlp(nn.GELU(), bias=False),
    'one layer more': lambda: mlp(nn.GELU(), nn.LayerNorm(12)),
    'one layer': lambda: nn.Linear(8, 8),
}


@pytest.mark.parametrize('name', MLPS)
def test_any_module_gives_its_own_result(name):
    made = MLPS[name]().requires_grad_(False)
    x = torch.randn(2, 3, 8)
    close(two_layers(made, x), made(x))


def test_hooks_see_what_passes():
    made, seen = mlp(nn.GELU()).requires_grad_(False), []
    made[1].register_forward_hook(lambda *_: seen.append(1))
    two_layers(made, torch.randn(3, 8))
    assert seen
