"""Settings with which a run would do nothing are refused before it."""

import re

import pytest

from mmcvgssl.apis import load_config
from mmcvgssl.evaluation.few_shot.learners import SCHEDULE, check_schedule
from mmcvgssl.runner.run_values import check_run_values, schedule_note
from mmcvgssl.utils import check_folder
from tests.data import CONFIGS

RUN = {
    'model': {'type': 'X'},
    'train_dataloader': {},
    'train_cfg': {'max_epochs': 1},
    'optim_wrapper': {},
    'randomness': {'seed': 0},
}


@pytest.mark.parametrize(
    ('own', 'message'),
    [
        *[
            ({'train_cfg': {name: value}}, f'train_cfg.{name}={value!r}')
            for name in ('max_epochs', 'max_iters', 'val_interval')
            for value in (0, -1, 1.5, True, '3')
        ],
        *[
            ({'randomness': {'seed': value}}, f'randomness.seed={value!r}')
            for value in (-1, 2**32, 0.5, 'x', True)
        ],
        ({'log_level': 'LOUD'}, "log_level='LOUD'"),
        ({'model': None}, 'describes no `model`'),
        ({'optim_wrapper': None}, 'has no optim_wrapper'),
        ({'train_cfg': None, 'train_dataloader': None}, 'has no train_data'),
    ],
)
def test_values_out_of_range_are_refused(own, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_run_values({**RUN, **own})


@pytest.mark.parametrize(
    'own',
    [
        {},
        {'randomness': {'seed': None}},
        {'randomness': {'seed': 2**32 - 1}},
        {'log_level': 'DEBUG'},
        dict.fromkeys(('train_dataloader', 'train_cfg', 'optim_wrapper')),
    ],
)
def test_values_in_range_are_taken(own):
    check_run_values({**RUN, **own})


COSINE = {'type': 'CosineAnnealingLR', 'T_max': 95, 'begin': 5, 'end': 100}
WARM_UP = {'type': 'LinearLR', 'start_factor': 0.1, 'end': 5}


@pytest.mark.parametrize('epochs', [2, 20, 100, 200])
@pytest.mark.parametrize(
    'schedule',
    [
        {'param_scheduler': [WARM_UP, COSINE]},
        {'param_scheduler': {**COSINE, 'begin': 0, 'T_max': 100}},
        {'param_scheduler': [{'type': 'PolyLR', 'begin': 1, 'end': 100}]},
        {'default_hooks': {'param_scheduler': {'max_epochs': 100}}},
    ],
)
def test_a_schedule_of_another_length_is_noted(schedule, epochs):
    note = schedule_note({**schedule, 'train_cfg': {'max_epochs': epochs}})
    assert bool(note) == (epochs != 100)
    assert epochs == 100 or f'={epochs} ' in f'{note} '.replace(',', ' ')


@pytest.mark.parametrize('epochs', [20, 50, 200])
def test_changes_that_never_come_are_noted(epochs):
    steps = {'type': 'MultiStepLR', 'milestones': [30, 60]}
    hooks = [{'type': 'mmdet.PipelineSwitchHook', 'switch_epoch': 90}]
    for part, fits in (
        ({'param_scheduler': [steps]}, 'milestones=['),
        ({'custom_hooks': hooks}, f'switch_epoch={epochs - 10}'),
    ):
        note = schedule_note({**part, 'train_cfg': {'max_epochs': epochs}})
        assert (fits in note) == (epochs < 100)
        assert bool(note) == (epochs < 100)


@pytest.mark.parametrize(
    'schedule',
    [
        {},
        {'param_scheduler': None},
        {'param_scheduler': [WARM_UP]},
        {'param_scheduler': [{**COSINE, 'by_epoch': False}]},
        {'param_scheduler': [{'type': 'ExponentialLR', 'gamma': 0.9}]},
    ],
)
def test_a_schedule_of_any_length_is_not(schedule):
    assert not schedule_note({**schedule, 'train_cfg': {'max_epochs': 7}})
    assert not schedule_note({**schedule, 'train_cfg': {'max_iters': 7}})


def test_a_switch_at_the_end_is_meant():
    hooks = [{'type': 'mmdet.PipelineSwitchHook', 'switch_epoch': 1}]
    own = {'custom_hooks': hooks, 'train_cfg': {'max_epochs': 1}}
    assert not schedule_note(own)


def test_what_a_note_says_mends_it():
    path = CONFIGS / 'detection/rtmdet/rtmdet_tiny_1xb8-60e_magnetic-tile.py'
    assert not schedule_note(load_config(path))
    options = {'train_cfg.max_epochs': 20}
    note = schedule_note(load_config(path, options))
    words = note.partition('; set ')[2].partition(', if')[0].split()
    options |= {w.partition('=')[0]: int(w.partition('=')[2]) for w in words}
    assert len(options) == 5
    assert not schedule_note(load_config(path, options))


@pytest.mark.parametrize(
    ('own', 'message'),
    [
        ({'epochs': 0}, 'a whole number from 1, got 0'),
        ({'epochs': 1.5}, 'a whole number from 1'),
        ({'batch_size': -1}, 'a whole number from 1'),
        ({'lr': -1}, 'a number from 0, got -1'),
        ({'epohcs': 1}, "no 'epohcs'"),
    ],
)
def test_a_schedule_out_of_range_is_refused(own, message):
    with pytest.raises((KeyError, ValueError), match=message):
        check_schedule(own)
    assert check_schedule({'lr': 0.1}) == {**SCHEDULE, 'lr': 0.1}


def test_folders_to_write_to(tmp_path):
    for name in ('new', 'new/deep', '.'):
        path = str(tmp_path / name)
        assert check_folder(path, '--out') == path
    file = tmp_path / 'file'
    file.touch()
    for path in (file, file / 'below'):
        with pytest.raises(NotADirectoryError, match='file is a file') as got:
            check_folder(str(path), '--out')
        assert '--out' in str(got.value)
    with pytest.raises(ValueError, match='--out is empty'):
        check_folder(' ', '--out')
