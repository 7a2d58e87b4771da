"""Ladders of starts: what they name exists, what they need is asked for."""

import pytest
from mmengine.config import Config

from mmcvgssl.apis import load_config
from tests.data import ROOT

LADDERS = sorted((ROOT / 'tools/benchmarks/ladders').glob('*.py'))


@pytest.mark.parametrize('path', LADDERS, ids=lambda p: p.stem)
def test_recipes_options_and_teachers_of_a_ladder_exist(path):
    cfg = Config.fromfile(path)
    stages = [
        load_config(ROOT / stage.recipe, stage.options)
        for stage in cfg.stages.values()
    ]
    assert all(stage.train_cfg.max_epochs for stage in stages)
    for name, row in cfg.rows.items():
        found = load_config(ROOT / cfg.detectors[row.detector])
        assert found.train_cfg.max_epochs == cfg.epochs, name
        assert row.get('teacher', name) in cfg.rows
        search = cfg.search[row.kind]
        assert cfg.rows[search.row].kind == row.kind
        assert all(isinstance(tried, dict) for tried in search.tries)


@pytest.mark.parametrize(
    ('given', 'row', 'said'),
    [
        ([], 'scratch', "labels=PATH (row 'scratch')"),
        (['labels=.', 'root=.'], 'AGSSP', "boxes=PATH (row 'AGSSP')"),
        (['root=.', 'labels=/gone'], 'scratch', 'labels=/gone: no such file'),
    ],
)
def test_what_rows_need_is_asked_for_before_work_starts(
    given, row, said, tool, tmp_path
):
    out = tmp_path / 'out'
    code, _, errors = tool(
        *('benchmarks/ladder.py', LADDERS[0], '--out', out),
        *('--given', *given, '--rows', row),
    )
    assert code == 1
    assert said in errors
    assert not out.exists()
