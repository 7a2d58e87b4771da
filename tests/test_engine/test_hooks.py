"""Hooks: seeding by epoch, and the stop at a loss that is none."""

import logging
import random
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mmcvgssl.engine import (
    ChannelsLastHook,
    EpochSeedHook,
    InvalidLossError,
    InvalidLossHook,
    SkippedImagesHook,
    epoch_seed_hook,
)
from mmcvgssl.weights import WeightsError


class Data:
    epoch = None

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


def runner(epoch: int = 0, seed: int | None = 0, data=None, **kwargs):
    loader = SimpleNamespace(dataset=data or Data())
    return SimpleNamespace(
        epoch=epoch, seed=seed, train_dataloader=loader, **kwargs
    )


def draws() -> tuple:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_every_epoch_has_its_own_repeatable_randomness():
    hook, seen = EpochSeedHook(), {}
    for key in [(0, 0), (1, 0), (0, 1)]:
        epoch, seed = key
        hook.before_train_epoch(runner(epoch, seed))
        seen[key] = draws()
        draws()
        hook.before_train_epoch(runner(epoch, seed))
        assert draws() == seen[key]
    assert len({*seen.values()}) == 3
    for values in zip(*seen.values(), strict=True):
        assert len(set(values)) == 3


def test_every_iteration_has_its_own_whatever_the_loader_drew():
    hook, seen = EpochSeedHook(), []
    for step, wasted in [(0, 0), (0, 3), (1, 0), (1, 5)]:
        fake = runner(0, iter=step)
        hook.before_train_epoch(fake)
        start = draws()
        for _ in range(wasted):
            draws()
        hook.before_train_iter(fake, step)
        seen.append(draws())
        assert seen[-1] != start
    assert seen[0] == seen[1] != seen[2] == seen[3]


def test_processes_draw_apart(monkeypatch):
    hook, seen = EpochSeedHook(), set()
    for rank in range(3):
        monkeypatch.setattr(epoch_seed_hook, 'get_rank', lambda r=rank: r)
        hook.before_train_epoch(runner())
        seen.add(draws())
        hook.before_train_iter(runner(iter=0), 0)
        seen.add(draws())
    assert len(seen) == 6


def test_the_data_set_is_told_the_epoch():
    data = Data()
    EpochSeedHook().before_train_epoch(runner(7, None, data))
    assert data.epoch == 7
    plain = runner(7, None, [1, 2])
    EpochSeedHook().before_train_epoch(plain)  # has no set_epoch
    assert not hasattr(plain.train_dataloader.dataset, 'set_epoch')


@pytest.mark.parametrize('value', [float('nan'), float('inf'), -float('inf')])
@pytest.mark.parametrize('saved', [True, False])
def test_an_invalid_loss_names_iteration_and_checkpoint(
    tmp_path, value, saved
):
    if saved:
        torch.save({}, tmp_path / 'epoch_3.pth')
        (tmp_path / 'last_checkpoint').write_text('epoch_3.pth')
    fake = runner(2, work_dir=str(tmp_path), iter=41)
    outputs = {'loss': torch.tensor(value), 'loss_self': torch.tensor(1.0)}
    with pytest.raises(InvalidLossError) as caught:
        InvalidLossHook().after_train_iter(fake, 0, outputs=outputs)
    text = str(caught.value)
    assert 'iteration 42 of epoch 3' in text
    assert "'loss':" in text
    assert 'loss_self' not in text
    assert ('epoch_3.pth' if saved else 'none yet') in text
    assert '--resume' in text


@pytest.mark.parametrize(
    'outputs',
    [
        None,
        {},
        {'loss': torch.tensor(1.0), 'accuracy': torch.tensor(float('nan'))},
    ],
)
def test_other_outputs_are_let_pass(tmp_path, outputs):
    fake = runner(work_dir=str(tmp_path), iter=0)
    assert InvalidLossHook().after_train_iter(fake, 0, None, outputs) is None


def test_spoilt_weights_are_not_saved(tmp_path):
    model = torch.nn.Linear(2, 1)
    fake = runner(2, work_dir=str(tmp_path), iter=42, model=model)
    InvalidLossHook().after_train_epoch(fake)
    hook = InvalidLossHook()
    hook.before_save_checkpoint(fake, {'state_dict': model.state_dict()})
    torch.save({}, tmp_path / 'epoch_2.pth')
    (tmp_path / 'epoch_3.pth').write_bytes(b'cut')
    with torch.no_grad():
        model.weight[0, 1] = float('inf')
    with pytest.raises(InvalidLossError, match=r'\(weight\)'):
        hook.before_save_checkpoint(fake, {'state_dict': model.state_dict()})
    with pytest.raises(WeightsError, match='the model at the start holds NaN'):
        hook.before_train(fake)
    with pytest.raises(InvalidLossError) as caught:
        InvalidLossHook().after_train_epoch(fake)
    text = str(caught.value)
    assert '(weight) at iteration 42 of epoch 3' in text
    assert 'epoch_2.pth' in text


def test_channels_last_changes_the_layout_and_nothing_else():
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8), torch.nn.SiLU()
    ).double()
    inputs = torch.randn(2, 3, 9, 7, dtype=torch.float64)
    parameters = list(model.parameters())
    state = {k: v.clone() for k, v in model.state_dict().items()}
    before = model(inputs)
    model.load_state_dict(state)
    assert before.is_contiguous()

    ChannelsLastHook().before_run(SimpleNamespace(model=model))
    # an optimizer made before still holds the weights
    assert all(
        a is b for a, b in zip(parameters, model.parameters(), strict=True)
    )
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name]), name
    after = model(inputs)
    assert after.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(after, before)


def test_what_was_skipped_is_said_at_the_end(caplog):
    runner = SimpleNamespace(logger=logging.getLogger('skipped'))
    SkippedImagesHook(['image 3: 3.png']).after_train(runner)
    assert 'trained without 1 unreadable image (image 3: 3' in caplog.text
