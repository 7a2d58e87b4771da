"""bfloat16 where mmengine's wrapper refuses to run."""

import platform

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from mmcvgssl.engine import AutocastOptimWrapper, keep_freed_memory
from mmcvgssl.precision import has_native_bfloat16

MODULE = 'mmcvgssl.engine.autocast_optim_wrapper'


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 1)
        self.types: list[torch.dtype] = []

    def forward(self, x):
        out = self.linear(x)
        self.types.append(out.dtype)
        return out


def wrapper(model: nn.Module, **kwargs) -> AutocastOptimWrapper:
    config = {
        'type': 'mmcvgssl.AutocastOptimWrapper',
        'optimizer': {'type': 'SGD', 'lr': 0.1},
        **kwargs,
    }
    return build_optim_wrapper(model, config)


def train(steps: int, **kwargs) -> tuple[Net, list[float]]:
    torch.manual_seed(0)
    model = Net()
    optim, losses = wrapper(model, **kwargs), []
    x = torch.randn(16, 3)
    y = x.sum(dim=1, keepdim=True)
    for _ in range(steps):
        with optim.optim_context(model):
            loss = (model(x).float() - y).square().mean()
        optim.update_params(loss)
        losses.append(float(loss))
    return model, losses


@pytest.mark.parametrize(
    ('enabled', 'dtype'), [(True, torch.bfloat16), (False, torch.float32)]
)
def test_the_forward_pass_runs_in_bfloat16_and_learns(enabled, dtype):
    model, losses = train(60, enabled=enabled)
    assert set(model.types) == {dtype}
    assert losses[-1] < 0.01 * losses[0]
    assert model.linear.weight.dtype == torch.float32
    torch.testing.assert_close(
        model.linear.weight, torch.ones(1, 3), rtol=0, atol=0.1
    )


@pytest.mark.parametrize('native', [True, False])
def test_bfloat16_is_the_default_where_the_device_computes_in_it(
    monkeypatch, native
):
    monkeypatch.setattr(f'{MODULE}.has_native_bfloat16', lambda _: native)
    model, _ = train(2)
    assert set(model.types) == {torch.bfloat16 if native else torch.float32}


@pytest.mark.parametrize(
    ('found', 'native'),
    [
        ({'avx512_bf16': True, 'amx_bf16': False}, True),
        ({'avx512_bf16': False, 'amx_bf16': True}, True),
        ({'avx512_f': True, 'avx512_bf16': False}, False),
        ({'architecture': 'aarch64', 'sve_bf16': True}, True),
        ({}, False),
    ],
)
def test_native_bfloat16_is_read_from_the_cpu(monkeypatch, found, native):
    monkeypatch.setattr(
        'torch.cpu.get_capabilities', lambda: found, raising=False
    )
    assert has_native_bfloat16('cpu') is native


def test_older_pytorch_is_asked_in_its_own_way(monkeypatch):
    monkeypatch.delattr('torch.cpu.get_capabilities', raising=False)
    for name in ('amx_tile', 'avx512_bf16'):
        monkeypatch.setattr(f'torch.cpu._is_{name}_supported', lambda: False)
    assert has_native_bfloat16('cpu') is False
    monkeypatch.setattr('torch.cpu._is_amx_tile_supported', lambda: True)
    assert has_native_bfloat16('cpu') is True


def test_autocast_ends_with_the_context():
    model = Net()
    with wrapper(model, enabled=True).optim_context(model):
        assert torch.is_autocast_enabled('cpu')
    assert not torch.is_autocast_enabled('cpu')


def test_accumulated_gradients_step_once():
    model = Net()
    optim = wrapper(model, accumulative_counts=3)
    optim.initialize_count_status(model, 0, 6)
    x, before = torch.randn(4, 3), model.linear.weight.detach().clone()
    moved = []
    for _ in range(6):
        with optim.optim_context(model):
            loss = model(x).float().square().mean() + 1
        optim.update_params(loss)
        moved.append(not torch.equal(model.linear.weight, before))
        before = model.linear.weight.detach().clone()
    assert moved == [False, False, True, False, False, True]


@pytest.mark.skipif(
    platform.libc_ver()[0] != 'glibc', reason='only glibc has mallopt'
)
def test_freed_memory_can_be_kept():
    assert keep_freed_memory() is True


def test_other_c_libraries_are_left_alone(monkeypatch):
    monkeypatch.setattr(platform, 'libc_ver', lambda: ('', ''))
    assert keep_freed_memory() is False
