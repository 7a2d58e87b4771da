"""Losses of a device are fetched for the log, and not before."""

import json
import types

import pytest
import torch
from mmengine.hooks import LoggerHook
from mmengine.logging import MessageHub

from mmcvgssl.apis import load_config, run_training
from mmcvgssl.engine import DeferredInfoHook, InvalidLossError, InvalidLossHook
from mmcvgssl.engine import device_numbers as module
from mmcvgssl.engine.device_numbers import DeviceNumbers
from tests.data import tiny_config
from tests.surfaces import write_surfaces
from tests.test_models.test_no_waiting import Waits


@pytest.fixture
def as_device(monkeypatch):
    """Have single numbers of the CPU pass for those of a GPU."""
    monkeypatch.setattr(
        module,
        '_on_device',
        lambda v: isinstance(v, torch.Tensor) and v.numel() == 1,
    )


def runner(tmp_path, iter_=0, batches=100, max_iters=1000):
    return types.SimpleNamespace(
        iter=iter_,
        epoch=0,
        max_iters=max_iters,
        hooks=[LoggerHook(interval=10)],
        train_dataloader=range(batches),
        message_hub=MessageHub(f'numbers {tmp_path}'),
        work_dir=str(tmp_path),
        model=torch.nn.Linear(1, 1),
    )


def run(fake, hooks, losses, first=0):
    for i, loss in enumerate(losses, first):
        fake.iter = i
        outputs = {'loss': torch.tensor(loss), 'accuracy': torch.tensor(i)}
        for hook in hooks:
            hook.after_train_iter(fake, i, outputs=outputs)
    fake.iter += 1


def test_nothing_is_read_until_the_log_is_written(tmp_path, as_device):
    fake = runner(tmp_path)
    hooks = [InvalidLossHook(), DeferredInfoHook()]
    with Waits() as waits:
        run(fake, hooks, [0.5] * 9)
    assert waits.found == []
    assert fake.message_hub.log_scalars == {}
    run(fake, hooks, [1.0], 9)
    losses, counts = fake.message_hub.get_scalar('train/loss').data
    assert losses.tolist() == [0.5] * 9 + [1.0]
    assert counts.tolist() == [1] * 10
    seen, _ = fake.message_hub.get_scalar('train/accuracy').data
    assert seen.tolist() == list(range(10))


@pytest.mark.parametrize(
    ('updates', 'sizes'),
    [
        (10, {}),  # of the log
        (7, {'batches': 7}),  # the end of an epoch
        (4, {'max_iters': 4}),  # the end of the training
    ],
)
def test_a_broken_loss_is_named_by_its_iteration(
    tmp_path, as_device, updates, sizes
):
    fake, hook = runner(tmp_path, **sizes), InvalidLossHook()
    losses = [1.0] * updates
    losses[2] = float('nan')
    run(fake, [hook], losses[:-1])
    with pytest.raises(InvalidLossError, match='at iteration 3 of epoch 1'):
        run(fake, [hook], losses[-1:], updates - 1)


def test_numbers_of_a_cpu_are_looked_at_at_once(tmp_path):
    fake, hook = runner(tmp_path), DeferredInfoHook()
    run(fake, [hook], [1.0])
    assert fake.message_hub.get_scalar('train/loss').current() == 1
    with pytest.raises(InvalidLossError, match='at iteration 2'):
        run(fake, [InvalidLossHook()], [float('inf')], 1)


def test_a_checkpoint_holds_what_was_not_logged_yet(tmp_path, as_device):
    fake, hook = runner(tmp_path), DeferredInfoHook()
    run(fake, [hook], [1.0, 2.0])
    checkpoint = {'message_hub': fake.message_hub.state_dict()}
    hook.before_save_checkpoint(fake, checkpoint)
    scalars = checkpoint['message_hub']['log_scalars']
    assert scalars['train/loss'].data[0].tolist() == [1, 2]


def test_what_is_taken_is_fetched_by_one_transfer(monkeypatch):
    fetched = []

    def fetch(self):
        fetched.append(tuple(self.shape))
        return torch.arange(len(self)).float()

    monkeypatch.setattr(torch.Tensor, 'cpu', fetch)
    numbers = DeviceNumbers()
    for i in range(2):
        row = {k: torch.tensor(0.0, device='meta') for k in ('a', 'b')}
        numbers.add(i, row | {'lr': 0.5})
    assert numbers._wait
    assert numbers.take() == [
        (0, {'a': 0, 'b': 1, 'lr': 0.5}),
        (1, {'a': 2, 'b': 3, 'lr': 0.5}),
    ]
    assert fetched == [(4,)]
    assert not numbers._wait


def test_a_training_logs_what_the_host_logs(tmp_path, as_device):
    images = write_surfaces(tmp_path / 'images', count=4)
    path = tiny_config(tmp_path / 'configs', images, head=False)
    logged = []
    for kind in ('RuntimeInfoHook', 'mmcvgssl.DeferredInfoHook'):
        options = {
            'train_cfg.max_epochs': 3,
            'default_hooks.logger.interval': 2,
            'default_hooks.runtime_info.type': kind,
        }
        cfg = load_config(path, options)
        cfg.work_dir = str(tmp_path / kind)
        # by default runs of one second share their record
        cfg.experiment_name = f'{tmp_path} {kind}'
        run_training(cfg)
        (file,) = (tmp_path / kind).rglob('scalars.json')
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        for row in rows:
            for key in ('time', 'data_time', 'memory', 'eta'):
                row.pop(key, None)
        logged.append(rows)
    assert logged[0] == logged[1]
    assert len(logged[0]) >= 3
    assert all('loss' in row for row in logged[0])


def test_the_usual_recipes_defer(tmp_path):
    images = write_surfaces(tmp_path / 'images', count=4)
    path = tiny_config(tmp_path / 'configs', images, head=False)
    hook = load_config(path).default_hooks.runtime_info
    assert hook.type == 'mmcvgssl.DeferredInfoHook'


def test_losses_are_looked_at_before_they_are_recorded():
    assert InvalidLossHook.priority == 'HIGHEST'
