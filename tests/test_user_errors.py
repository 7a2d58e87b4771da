"""What users read when something is wrong."""

import io
import sys

import cv2
import pytest
import torch
from tqdm import tqdm

from mmcvgssl.datasets import TooManyUnreadableError
from mmcvgssl.engine import InvalidLossError
from mmcvgssl.progress import progress_bar
from mmcvgssl.user_errors import DEBUG, user_errors
from mmcvgssl.weights import KeyMismatchError


@pytest.mark.parametrize(
    'error',
    [
        FileNotFoundError('what to do'),
        ImportError('what to do'),
        InvalidLossError('what to do'),
        KeyError('what to do'),
        KeyMismatchError('what to do'),
        TooManyUnreadableError('what to do'),
        ValueError('what to do'),
        AssertionError('what to do'),
        RuntimeError('what to do\n'),
        cv2.error('what to do'),
    ],
)
def test_the_message_is_all_unless_tracebacks_are_wanted(
    capsys, monkeypatch, error
):
    with pytest.raises(SystemExit) as stop, user_errors():
        raise error
    assert (stop.value.code, stop.value.message) == (1, 'what to do')
    assert capsys.readouterr().err == '\nERROR: what to do\n'
    monkeypatch.setenv(DEBUG, '1')
    with pytest.raises(SystemExit) as stop, user_errors():
        raise error
    assert stop.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == 'ERROR: what to do'
    assert lines[0].startswith('Traceback')


class Odd(torch.utils.data.Dataset):
    """Whose images raise what they hold."""

    def __init__(self, *errors):
        self.errors = errors

    def __len__(self):
        return len(self.errors)

    def __getitem__(self, i):
        try:
            raise OSError('the first reason')
        except OSError as error:
            raise self.errors[i] from error


@pytest.mark.parametrize(
    'error',
    [ValueError('what to do'), TooManyUnreadableError('what to do'), KeyError],
)
def test_an_error_of_a_worker_has_its_own_message(capsys, monkeypatch, error):
    monkeypatch.setenv(DEBUG, '1')
    loader = torch.utils.data.DataLoader(Odd(error), num_workers=1)
    with pytest.raises(SystemExit), user_errors():
        list(loader)
    text = capsys.readouterr().err
    assert 'Original Traceback' in text
    logged = text.rpartition('ERROR: ')[2]
    expected = 'what to do\n' if error is not KeyError else 'Caught KeyError'
    assert logged.startswith(expected)


def test_text_in_another_encoding_is_said(capsys):
    with pytest.raises(SystemExit), user_errors():
        b'\xff'.decode()
    last = capsys.readouterr().err.splitlines()[-1]
    assert "can't decode byte 0xff" in last


@pytest.mark.parametrize('error', [KeyError('model'), AssertionError()])
def test_an_error_that_says_nothing_is_named(capsys, error):
    with pytest.raises(SystemExit), user_errors():
        raise error
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f'ERROR: {type(error).__name__} ')


def test_faults_of_the_code_are_not_dressed_up():
    with pytest.raises(ZeroDivisionError), user_errors():
        _ = 1 // 0


def test_nothing_happens_without_an_error(capsys):
    with user_errors():
        done = True
    assert done
    assert capsys.readouterr().err == ''


def test_a_console_of_another_encoding_takes_all_names(monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding='ascii')
    monkeypatch.setattr(sys, 'stdout', console)
    with user_errors():
        print('d\xf6n \udcff')
    console.flush()
    assert console.buffer.getvalue() == b'd\\xf6n \\udcff\n'


@pytest.mark.parametrize('rank', [0, 1])
def test_of_several_processes_the_first_speaks_first(
    rank, capsys, monkeypatch
):
    waited = []
    monkeypatch.setenv('TORCHELASTIC_RUN_ID', 'none')
    monkeypatch.setenv('RANK', str(rank))
    monkeypatch.setattr('mmcvgssl.user_errors.time.sleep', waited.append)
    with pytest.raises(SystemExit), user_errors():
        raise ValueError('what to do')
    # torchrun ends a later one meanwhile, if the first has the error, too
    assert len(waited) == rank
    assert capsys.readouterr().err == '\nERROR: what to do\n'


@pytest.mark.parametrize('error', [ValueError('x'), KeyboardInterrupt()])
def test_a_bar_ends_before_an_error_is_said(error, capsys, monkeypatch):
    monkeypatch.setattr('mmcvgssl.progress.on_terminal', lambda: True)
    for other in [*getattr(tqdm, '_instances', ())]:
        other.close()  # that another test has left, above which this one is
    bar = progress_bar(total=3, desc='work')
    bar.update()
    with pytest.raises((SystemExit, KeyboardInterrupt)), user_errors():
        raise error
    assert bar.disable  # as one that is closed
    last = capsys.readouterr().err.partition('\n')[0].rpartition('\r')[2]
    assert '1/3' in last
