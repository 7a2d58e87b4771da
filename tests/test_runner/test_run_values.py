"""Settings with which a run would do nothing are refused before it."""

import re

import pytest

from mmcvgssl.evaluation.few_shot.learners import SCHEDULE, check_schedule
from mmcvgssl.runner.run_values import check_run_values
from mmcvgssl.utils import check_folder

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
