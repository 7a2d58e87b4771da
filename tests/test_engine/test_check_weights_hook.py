"""Checkpoints that a run would take in part, or as no numbers."""

from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import CheckpointHook
from mmengine.runner import BaseLoop
from torch import nn

from mmcvgssl.engine import CheckWeightsHook, write_atomically
from mmcvgssl.engine.atomic_backend import NAME
from mmcvgssl.weights import KeyMismatchError, WeightsError
from tests.data import TinyNet

NAN = float('nan')


class Model(nn.Module):
    def __init__(self, width: int = 6, deeper: bool = False) -> None:
        super().__init__()
        self.backbone = TinyNet(width)
        self.norm = nn.BatchNorm1d(width)
        self.head = nn.Linear(width, 2)
        if deeper:
            self.more = nn.Linear(2, 2)


class Loop(BaseLoop):
    def __init__(self) -> None:
        pass

    def run(self) -> None:
        """Do nothing."""


def run_of(model=None, resume=False, training=False):
    said = []
    return SimpleNamespace(
        model=model or Model(),
        logger=SimpleNamespace(warning=said.append),
        said=said,
        _resume=resume,
        _load_from='work/epoch_3.pth',
        _train_loop=Loop() if training else {},
    )


def checkpoint_of(model=None, **more):
    state = (model or Model()).state_dict()
    return {'state_dict': state, 'meta': {}, 'optimizer': {}, **more}


WAYS = pytest.mark.parametrize(
    'way', [{}, {'resume': True}, {'resume': True, 'training': True}]
)


@WAYS
def test_all_of_a_model_is_taken(way):
    held = checkpoint_of()
    del held['state_dict']['norm.num_batches_tracked']
    run = run_of(**way)
    CheckWeightsHook().after_load_checkpoint(run, held)
    wrapped = {f'module.{k}': v for k, v in held['state_dict'].items()}
    held = {**held, 'state_dict': wrapped}
    CheckWeightsHook().after_load_checkpoint(run, held)
    assert not run.said


@WAYS
@pytest.mark.parametrize(
    ('held', 'expected'),
    [
        (Model(deeper=True), r'besides more\.weight, more\.bias'),
        (Model(width=8), r'shapes .*\(8,'),
        (TinyNet(), 'misses backbone'),
    ],
)
def test_a_part_of_a_model_is_refused(way, held, expected):
    with pytest.raises(KeyMismatchError, match=expected) as caught:
        CheckWeightsHook().after_load_checkpoint(
            run_of(**way), checkpoint_of(held)
        )
    assert 'epoch_3.pth is no checkpoint of this Model' in str(caught.value)
    run = run_of(Model(deeper=True), **way)
    with pytest.raises(KeyMismatchError, match=r'misses more\.weight'):
        CheckWeightsHook().after_load_checkpoint(run, checkpoint_of())


@pytest.mark.parametrize('training', [True, False])
@pytest.mark.parametrize(
    'key', ['head.weight', 'norm.running_var', 'backbone.conv1.weight']
)
@pytest.mark.parametrize('state', ['state_dict', 'ema_state_dict'])
def test_no_run_takes_nan(training, key, state):
    held = checkpoint_of()
    spoilt = {k: v.clone() for k, v in held['state_dict'].items()}
    assert key in spoilt
    spoilt[key].view(-1)[0] = NAN
    held[state] = spoilt
    with pytest.raises(WeightsError, match=f'epoch_3.pth .*{key}'):
        CheckWeightsHook().after_load_checkpoint(
            run_of(training=training), held
        )


def test_a_training_may_begin_with_a_part():
    run = run_of(training=True)
    CheckWeightsHook().after_load_checkpoint(run, checkpoint_of(TinyNet()))


def test_what_the_model_converts_itself_counts_as_converted():
    class Converts(Model):
        def _load_from_state_dict(self, state_dict, *args, **kwargs):
            if 'old' in state_dict:
                state_dict['head.bias'] = state_dict.pop('old')
            super()._load_from_state_dict(state_dict, *args, **kwargs)

    held = checkpoint_of()
    held['state_dict']['old'] = held['state_dict'].pop('head.bias')
    run = run_of(Converts())
    CheckWeightsHook().after_load_checkpoint(run, held)
    with pytest.raises(KeyMismatchError, match=r'misses head\.bias.*old'):
        CheckWeightsHook().after_load_checkpoint(run_of(), held)


def test_resuming_runs_no_code_and_names_what_starts_anew():
    run = run_of(resume=True)
    held = checkpoint_of(meta={'config': 'import os'})
    with pytest.raises(WeightsError, match='run as code'):
        CheckWeightsHook().after_load_checkpoint(run, held)
    moment = {'state': {0: {'exp_avg': torch.tensor([NAN])}}}
    with pytest.raises(WeightsError, match=r'optimizer.*state\.0\.exp_avg'):
        CheckWeightsHook().after_load_checkpoint(
            run, checkpoint_of(optimizer=moment)
        )
    held = checkpoint_of()
    del held['optimizer']
    CheckWeightsHook().after_load_checkpoint(run, held)
    assert 'optimizer' in run.said[0]


def test_local_checkpoints_are_written_atomically():
    hooks = [
        CheckpointHook(),
        CheckpointHook(out_dir='s3://a/b'),
        CheckpointHook(backend_args={'backend': 'local'}),
    ]
    write_atomically(SimpleNamespace(hooks=hooks))
    assert [hook.backend_args for hook in hooks] == [
        {'backend': NAME},
        None,
        {'backend': 'local'},
    ]
