"""What users read when something is wrong."""

import cv2
import pytest

from mmcvgssl.apis.cli import user_errors
from mmcvgssl.datasets import TooManyUnreadableError
from mmcvgssl.engine import InvalidLossError
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
def test_the_message_comes_last_below_the_traceback(capsys, error):
    with pytest.raises(SystemExit) as stop, user_errors():
        raise error
    assert stop.value.code == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == 'ERROR: what to do'
    assert lines[0].startswith('Traceback')


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
