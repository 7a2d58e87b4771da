"""Benchmarks that are run one after another, and what they share."""

import json
import random
import runpy
import sys

import numpy as np
import pytest
from mmcv.transforms import Compose
from mmengine.registry import init_default_scope

from mmcvgssl.apis import get_config
from tests.data import ROOT, picture

HERE = ROOT / 'tools/benchmarks'


@pytest.fixture
def benchmark(monkeypatch):
    """Give what a script of the folder defines."""
    monkeypatch.syspath_prepend(str(HERE))
    return lambda name: runpy.run_path(str(HERE / f'{name}.py'))


@pytest.fixture
def one_entry(tmp_path, monkeypatch):
    """Let run_all.py know of limits alone, measured for a moment."""
    home = tmp_path / 'benchmarks'
    home.mkdir()
    for name in ('limits', 'surfaces', 'turns'):
        (home / f'{name}.py').symlink_to(HERE / f'{name}.py')
    text = (HERE / 'run_all.py').read_text()
    assert "Entry('limits.py', {})" in text
    short = "Entry('limits.py --seconds 0.01', {})"
    file = home / 'run_all.py'
    file.write_text(text.replace("Entry('limits.py', {})", short))
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.chdir(tmp_path)
    return file


def test_what_was_measured_is_kept_and_compared(tool, one_entry, tmp_path):
    code, out, errors = tool(one_entry, '--only', 'limits', '--store')
    assert code == 0, errors
    assert 'nothing is stored of a machine like this' in out
    file = tmp_path / 'work_dirs/benchmarks/ratios.json'
    record = json.loads(file.read_text())
    values = record['found']['limits']['values']
    small, large = (
        values[f'JPEGs of {side} px a core decodes, /s']
        for side in (256, 1024)
    )
    assert small > large
    assert min(values.values()) > 0
    assert record['machine']['cores'] >= 1
    (kept,) = (tmp_path / 'benchmarks/ratios').iterdir()
    assert json.loads(kept.read_text()) == record

    # a row that is there is not measured again, and has what is stored
    record['found']['limits']['values'] = {'CPU, copies, GB/s': 12.5}
    file.write_text(json.dumps(record))
    code, out, errors = tool(one_entry, '--only', 'limits')
    assert code == 0, errors
    assert 'limits: measured before' in out
    stored = values['CPU, copies, GB/s']
    assert f'| 12.5 | {stored:.3g} | – |' in out


def test_figures_of_another_machine_are_refused(tool, one_entry, tmp_path):
    record = {'machine': {'cpu': 'another'}, 'versions': {}, 'found': {}}
    file = tmp_path / 'ratios.json'
    file.write_text(json.dumps(record))
    code, _, errors = tool(one_entry, '--out', file)
    assert code == 1
    assert 'was measured with other machine: expected' in errors
    assert json.loads(file.read_text()) == record


def test_a_benchmark_that_fails_is_not_kept(tool, one_entry, tmp_path):
    (one_entry.parent / 'limits.py').unlink()
    code, _, errors = tool(one_entry, '--only', 'limits')
    assert code == 1
    assert 'failed' in errors
    assert not (tmp_path / 'work_dirs').exists()


def test_each_entry_has_a_script_that_takes_its_options(
    benchmark, monkeypatch
):
    for name, entry in benchmark('run_all')['ENTRIES'].items():
        script, *options = entry.command.split()
        monkeypatch.setattr(sys, 'argv', [script, *options])
        assert benchmark(script.removesuffix('.py'))['parse_args'](), name


@pytest.mark.parametrize(
    ('spans', 'length'),
    [
        ([], 0),
        ([(1, 3)], 2),
        ([(5, 6), (1, 3), (2, 4)], 4),
        ([(0, 9), (1, 2), (3, 4)], 9),
    ],
)
def test_time_that_overlaps_counts_once(benchmark, spans, length):
    assert benchmark('turns')['covered'](spans) == length


@pytest.mark.parametrize(
    'name',
    [
        'cvgssl-regress_lite0_lite0_1xb32-3e_folder',
        'cvgssl-regress_resnet18_lite0_1xb64-400e_folder',
        'cvgssl_resnet18_lite0_1xb64-300e_folder',
    ],
)
def test_hosts_parts_make_the_same_views(benchmark, name, tmp_path):
    """By the same random numbers, so that work alone is compared."""
    picture(0, 96).save(tmp_path / '0.png')
    cfg = get_config(name, {'data_root': str(tmp_path), 'view_size': 64})
    init_default_scope(cfg.default_scope)
    hosts = benchmark('plain_recipe')['as_hosts'](cfg)
    assert hosts.optim_wrapper.type == 'OptimWrapper'
    pipelines = [
        each.train_dataloader.dataset.pipeline for each in (cfg, hosts)
    ]
    assert 'mmcvgssl' in str(pipelines[0])
    assert 'mmcvgssl' not in str(pipelines[1])
    made = []
    for pipeline in pipelines:
        random.seed(3)
        np.random.seed(3)
        item = {'img_path': str(tmp_path / '0.png'), 'sample_idx': 0}
        made.append(Compose(pipeline)({**item, 'view_set': 0})['inputs'])
    assert len(made[0]) == len(made[1])
    for ours, theirs in zip(*made, strict=True):
        assert ours.shape == theirs.shape == (3, 64, 64)
        assert ours.equal(theirs)


def test_an_option_is_measured_beside_the_recipe_as_it_is(tool, monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    code, out, errors = tool(
        *(HERE / 'options.py', '--only', 'float32', '--rounds', '1'),
        *('--batch-size', '2', '--view-size', '32', '--iters', '1'),
        *('--workers', '0'),
    )
    assert code == 0, errors
    (times,) = json.loads(out.splitlines()[-1]).items()
    assert times[0] == 'float32, times as it is'
    assert times[1] > 0
