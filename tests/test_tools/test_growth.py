"""The growth of a command's cost: measured once, as table and plot."""

import json
import sys

import pytest

from tests.data import ROOT

LISTS = 'lists of a folder'


@pytest.fixture
def growth(tool, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    monkeypatch.setenv('PYTHONPATH', str(ROOT))

    def run(*counts):
        return tool(
            *('benchmarks/growth.py', '--out', tmp_path / 'growth'),
            *('--counts', *counts, '--only', LISTS),
        )

    yield run
    sys.modules.pop('peak', None)


def test_figures_that_are_there_are_not_measured_again(growth, tmp_path):
    code, out, err = growth(28)
    assert code == 0, err
    assert f'28: {LISTS}: ' in out
    file = tmp_path / 'growth/growth.json'
    known = json.loads(file.read_text())
    assert len({*(tmp_path / 'growth/28/images').rglob('*.png')}) == 28
    known[LISTS] |= {'28': [2.0, 10.0], '2800': [20.0, 11.0]}
    file.write_text(json.dumps(known))
    code, out, err = growth(28)
    assert code == 0, err
    row = f'| {LISTS} | 2 s, 10 MiB | 20 s, 11 MiB | 0.50 |'
    assert out.splitlines()[-1] == row
    assert row in (tmp_path / 'growth/growth.md').read_text()
    assert (tmp_path / 'growth/growth.png').is_file()
