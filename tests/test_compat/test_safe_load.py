"""Checkpoints resume under protection, and hostile ones are refused."""

import functools
import operator
import pickle
import shutil

import numpy as np
import pytest
import torch

from mmcvgssl.compat import safe_load


class Hostile:
    """Unpickling it writes a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, 'w')


@pytest.fixture
def hostile(tmp_path):
    """A checkpoint, and the trace it leaves when its code runs."""
    trace = tmp_path / 'trace'
    file = tmp_path / 'hostile.pth'
    torch.save({'state_dict': {'w': torch.ones(1)}, 'x': Hostile(trace)}, file)
    return file, trace


def test_a_hostile_checkpoint_is_refused(hostile, monkeypatch):
    from mmengine.runner import CheckpointLoader

    file, trace = hostile
    monkeypatch.delenv(safe_load.UNSAFE_ENV, raising=False)
    with pytest.raises(pickle.UnpicklingError) as caught:
        CheckpointLoader.load_checkpoint(str(file), 'cpu')
    assert not trace.exists()
    assert safe_load.UNSAFE_ENV in str(caught.value)
    assert str(file) in str(caught.value)


def test_the_way_round_must_be_asked_for(hostile, monkeypatch):
    from mmengine.runner import CheckpointLoader

    file, trace = hostile
    monkeypatch.setenv(safe_load.UNSAFE_ENV, '1')
    found = CheckpointLoader.load_checkpoint(str(file), 'cpu')
    assert trace.exists()
    assert found['state_dict']['w'] == 1


def test_an_explicit_false_is_not_enough(hostile, monkeypatch):
    file, trace = hostile
    monkeypatch.delenv(safe_load.UNSAFE_ENV, raising=False)
    with pytest.raises(pickle.UnpicklingError):
        safe_load.load(file, weights_only=False)
    assert not trace.exists()


@pytest.mark.parametrize('unsafe', ['', '1'])
def test_downloads_are_protected(monkeypatch, hostile, tmp_path, unsafe):
    """torch.hub loads what it fetches, by default without protection."""
    from mmengine.runner import CheckpointLoader

    file, trace = hostile
    monkeypatch.setenv(safe_load.UNSAFE_ENV, unsafe)
    monkeypatch.setattr(
        torch.hub,
        'download_url_to_file',
        lambda url, target, *_, **__: shutil.copy(file, target),
    )
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'hub'))
    load = functools.partial(
        CheckpointLoader.load_checkpoint, 'https://example.com/x.pth', 'cpu'
    )
    if unsafe:
        load()
    else:
        with pytest.raises(pickle.UnpicklingError, match=r'x\.pth'):
            load()
    assert trace.exists() == bool(unsafe)


class Reach:
    """Pickled as ``getattr(owner, name)``."""

    def __init__(self, owner, name):
        self.call = getattr, (owner, name)

    def __reduce__(self):
        return self.call


def reachable(tmp_path, owner, name):
    file = tmp_path / 'reach.pth'
    torch.save({'x': Reach(owner, name)}, file)
    return safe_load.load(file)['x']


def test_getattr_finds_statistics_and_nothing_else(tmp_path):
    from mmengine.logging import HistoryBuffer

    assert reachable(tmp_path, HistoryBuffer, 'mean') is HistoryBuffer.mean
    for owner, name in [
        (HistoryBuffer, '__init__'),
        (HistoryBuffer, '_statistics_methods'),
        (np.ndarray, 'tofile'),
        (operator.attrgetter('x'), '__call__'),
    ]:
        with pytest.raises(pickle.UnpicklingError):
            reachable(tmp_path, owner, name)


@pytest.mark.parametrize(
    'value',
    [
        np.arange(3),
        np.float32(0.5),
        np.array(['a', 'bc']),
        np.array([True, False]),
        np.datetime64('2020-01-01'),
    ],
    ids=str,
)
def test_numpy_values_load(tmp_path, value):
    torch.save({'x': value}, tmp_path / 'x.pth')
    found = safe_load.load(tmp_path / 'x.pth')['x']
    np.testing.assert_array_equal(found, value)
    assert found.dtype == value.dtype


def test_arrays_of_objects_are_refused(tmp_path):
    torch.save({'x': np.array([{}], dtype=object)}, tmp_path / 'x.pth')
    with pytest.raises(pickle.UnpicklingError):
        safe_load.load(tmp_path / 'x.pth')


@pytest.mark.parametrize('core', ['numpy.core', 'numpy._core'])
def test_both_numpy_namings_load(tmp_path, core):
    """A checkpoint written under numpy 1 read under 2, and vice versa."""
    file = tmp_path / 'x.pth'
    torch.save({'x': np.float64(0.5)}, file, _use_new_zipfile_serialization=0)
    old, new = 'numpy._core', 'numpy.core'
    if np.__version__.startswith('1.'):
        old, new = new, old
    data = file.read_bytes()
    assert f'c{old}.multiarray\n'.encode() in data
    if core == new:
        data = data.replace(f'c{old}.'.encode(), f'c{new}.'.encode())
    file.write_bytes(data)
    assert safe_load.load(file)['x'] == 0.5


RESUME = """
import mmcvgssl, torch, sys
from mmengine.hooks import Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
import mmengine, mmengine.runner.checkpoint as home

class Model(BaseModel):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(2, 1)
    def forward(self, x, mode='tensor'):
        return {'loss': self.layer(x).square().mean()}

class Best(Hook):
    def after_train_iter(self, runner, *args, **kwargs):
        import numpy as np
        runner.message_hub.update_info('best_score', np.float64(0.5))

loads = []
torch_load = torch.load
def spy(*args, **kwargs):
    loads.append(kwargs.get('weights_only'))
    return torch_load(*args, **kwargs)
torch.load = spy

def run(iters, resume):
    runner = Runner(
        Model(), 'out', experiment_name=f'to-{iters}', resume=resume,
        train_dataloader=dict(
            dataset=[{'x': torch.ones(2)}] * 4, batch_size=2, num_workers=0,
            sampler=dict(type='InfiniteSampler', shuffle=False),
            collate_fn=dict(type='default_collate')),
        train_cfg=dict(by_epoch=False, max_iters=iters),
        optim_wrapper=dict(optimizer=dict(type='AdamW', lr=0.1)),
        param_scheduler=dict(
            type='MultiStepLR', milestones=[1], by_epoch=False),
        default_hooks=dict(checkpoint=dict(
            type='CheckpointHook', by_epoch=False, interval=1)),
        custom_hooks=[dict(type='EMAHook'), Best()], default_scope=None)
    runner.train()
    return runner

def state(runner):
    adam = runner.optim_wrapper.optimizer.state
    steps = [int(one['step']) for one in adam.values()]
    loss = runner.message_hub.get_scalar('train/loss')
    return steps, len(loss.data[0]), float(loss.mean(9))

first = run(2, False)
assert state(first)[0] == [2, 2], state(first)
second = run(3, True)
assert loads == [True], loads
assert second.iter == 3
assert state(second)[:2] == ([3, 3], 3), state(second)
print(mmengine.__version__, second.message_hub.get_info('best_score'))
"""


def test_a_runner_resumes(run_python, host_paths):
    """Weights, EMA, optimizer, schedule and history of a real training."""
    done = run_python(RESUME, *host_paths)
    assert done.returncode == 0, done.stderr[-3000:]
    version, best = done.stdout.split()[-2:]
    assert best == '0.5'
    assert (version == '0.10.7') == bool(host_paths)


def test_refused_by_the_original_mmengine(run_python, original_paths, hostile):
    """Which loads by another way than its continuation."""
    file, trace = hostile
    done = run_python(
        'import mmcvgssl, pickle\n'
        'from mmengine.runner import CheckpointLoader\n'
        'try:\n'
        f'    CheckpointLoader.load_checkpoint({str(file)!r})\n'
        'except pickle.UnpicklingError as error:\n'
        '    print(error)',
        *original_paths,
    )
    assert safe_load.UNSAFE_ENV in done.stdout, done.stderr
    assert not trace.exists()
