"""A training step does not wait for the device."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from tests.test_models.test_processes import ALONE, MODELS, batch, build

# what reads from a device: numbers, and shapes that depend on values
WAITS = ('_local_scalar_dense', 'nonzero', 'masked_select', 'equal', 'unique')
# mmpretrain's SimCLR selects by masks itself
OURS = [name for name in MODELS if name != 'simclr']


class Waits(TorchDispatchMode):
    """Notes operations whose result the host has to wait for."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.name().split('::')[1]
        masks = name.startswith('index') and any(
            torch.is_tensor(i) and i.dtype == torch.bool
            for part in args
            if isinstance(part, (list, tuple))
            for i in part
        )
        if masks or name.split('.')[0].startswith(WAITS):
            self.found.append(name)
        return func(*args, **(kwargs or {}))


def step(model, optimizer, name: str, device: str = 'cpu') -> None:
    views, samples = batch(name)
    views = [view.to(device) for view in views]
    for sample in samples:
        sample.anomaly_map = sample.anomaly_map.to(device)
    inputs = views[0] if name in ALONE else views
    if device != 'cpu':
        torch.cuda.set_sync_debug_mode('error')
    try:
        losses = model(inputs, samples, mode='loss')
        sum(v for k, v in losses.items() if 'loss' in k).backward()
        optimizer.step()
        optimizer.zero_grad()
    finally:
        if device != 'cpu':
            torch.cuda.set_sync_debug_mode('default')


@pytest.mark.parametrize('name', [n for n in OURS if n != 'classifier'])
def test_a_step_reads_nothing_from_the_device(name):
    model = build(name)
    if hasattr(model, 'mixup'):
        model.mixup = 0.5
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with Waits() as waits:
        step(model, optimizer, name)
    assert waits.found == []


def test_what_waits_would_be_found():
    x = torch.arange(4.0)
    with Waits() as waits:
        float(x[0])
        bool((x > 1).any())
        x[x > 2]
        torch.where(x > 2)
    assert len(waits.found) >= 4


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
@pytest.mark.parametrize('name', [n for n in OURS if n != 'classifier'])
def test_a_step_on_cuda_does_not_wait(name):
    model = build(name).cuda()
    if hasattr(model, 'mixup'):
        model.mixup = 0.5
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    for _ in range(2):
        step(model, optimizer, name, 'cuda')
    torch.cuda.synchronize()
    assert all(p.isfinite().all() for p in model.parameters())
