"""A loader gets as many workers as its training needs."""

import types

import pytest
import torch
from mmengine.logging import MessageHub
from torch.utils.data import DataLoader, Dataset, get_worker_info

from mmcvgssl.engine import MoreWorkersHook
from mmcvgssl.engine import more_workers_hook as module


class Numbers(Dataset):
    """Numbers, and the count of workers that load them."""

    def __len__(self):
        return 24

    def __getitem__(self, index):
        info = get_worker_info()
        return index, info.num_workers if info else 0


def runner(waits, name, workers=2, epoch=0, persistent=True):
    """After an epoch of 12 updates of a second, of which each waits a part."""
    hub = MessageHub(name)
    for wait in waits:
        hub.update_scalar('train/data_time', wait)
        hub.update_scalar('train/time', 1.0)
    loader = DataLoader(
        Numbers(),
        batch_size=2,
        num_workers=workers,
        persistent_workers=persistent and workers > 0,
    )
    return types.SimpleNamespace(
        train_dataloader=loader, message_hub=hub, epoch=epoch, max_epochs=3
    )


def after(fake, **options):
    MoreWorkersHook(**options).after_train_epoch(fake)
    return fake.train_dataloader.num_workers


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch):
    monkeypatch.setattr(module, 'available_cores', lambda: 16)


@pytest.mark.parametrize(
    ('wait', 'workers'),
    [
        (0.0, 2),
        (0.04, 2),
        # two load in 1 s what one update computes in 0.5 s
        (0.5, 4),
        (0.7, 7),
        (1.0, 16),  # no more than there are cores
    ],
)
def test_there_are_as_many_as_load_while_an_update_computes(
    wait, workers, request
):
    assert after(runner([wait] * 12, request.node.name)) == workers


def test_the_start_of_workers_does_not_count(request):
    waits = [1.0] * 4 + [0.0] * 8
    assert after(runner(waits, request.node.name)) == 2
    # nor do earlier epochs
    assert after(runner([0.9] * 12 + waits, request.node.name + ' 2')) == 2


def test_options_bound_it(request):
    name = request.node.name
    assert after(runner([0.9] * 12, name), most=5) == 5
    assert after(runner([0.2] * 12, name + ' 2'), share=0.3) == 2
    with pytest.raises(ValueError, match='between 0 and 1, got 5'):
        MoreWorkersHook(share=5)


def test_processes_share_the_cores(monkeypatch, request):
    monkeypatch.setattr(module, 'get_local_size', lambda: 4)
    assert after(runner([0.9] * 12, request.node.name)) == 4


def test_loaders_that_cannot_have_more_stay(request):
    name = request.node.name
    assert after(runner([0.9] * 12, name, workers=0)) == 0
    # nothing follows
    assert after(runner([0.9] * 12, name + ' 2', epoch=2)) == 2
    # nothing was measured
    assert after(runner([], name + ' 4')) == 2
    # too few updates to tell
    assert after(runner([0.9] * 12, name + ' 3', workers=5)) == 5


@pytest.mark.parametrize('persistent', [True, False])
def test_the_next_epoch_has_the_same_images(persistent, request):
    fake = runner([0.5] * 12, request.node.name, persistent=persistent)
    before = [b[0].tolist() for b in fake.train_dataloader]
    assert after(fake) == 4
    batches = list(fake.train_dataloader)
    assert [b[0].tolist() for b in batches] == before
    assert torch.cat([b[1] for b in batches]).tolist() == [4] * 24
