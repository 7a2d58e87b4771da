"""Processor time and peak memory of a command."""

import runpy

import pytest

from tests.data import ROOT


def test_the_memory_is_that_of_the_command_alone(tmp_path):
    """This process, which starts it, takes far more."""
    measured = runpy.run_path(str(ROOT / 'tools/benchmarks/peak.py'))[
        'measured'
    ]
    script = tmp_path / 'script.py'
    script.write_text('taken = bytearray(60 * 2**20)')
    seconds, memory = measured([str(script)])
    assert 60 < memory < 120
    assert 0 < seconds < 10
    script.write_text('raise SystemExit(3)')
    with pytest.raises(SystemExit, match=r'script\.py failed'):
        measured([str(script)])
