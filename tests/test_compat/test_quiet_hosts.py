"""Importing the hosts prints nothing."""

import logging
import subprocess
import sys

import mmengine.logging
import pytest

from mmcvgssl.compat import quiet_hosts

IMPORTS = 'import mmcvgssl, mmpretrain.datasets, mmdet.datasets'


def test_the_hosts_data_sets_are_imported_silently():
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', IMPORTS],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ''


@pytest.mark.parametrize(
    ('level', 'logger', 'printed'),
    [
        (logging.DEBUG, None, False),
        (logging.INFO, None, True),
        (logging.WARNING, None, True),
        (logging.DEBUG, 'told', True),
    ],
)
def test_notes_of_level_debug_alone_are_left_out(
    monkeypatch, level, logger, printed
):
    told = []
    monkeypatch.setitem(
        vars(mmengine.logging),
        'print_log',
        lambda msg, logger, level: told.append((msg, logger, level)),
    )
    with quiet_hosts._without_debug(mmengine):
        mmengine.logging.print_log('note', logger=logger, level=level)
    assert told == ([('note', logger, level)] if printed else [])
    before = mmengine.logging.print_log
    with pytest.raises(ImportError), quiet_hosts._without_debug(mmengine):
        raise ImportError
    assert mmengine.logging.print_log is before
