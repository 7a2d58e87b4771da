"""Results on disk: they grow, and never mix."""

import json

import numpy as np
import pytest
from PIL import Image

from mmcvgssl.evaluation.few_shot import FewShotResults
from mmcvgssl.evaluation.few_shot.report import compare

SETTINGS = {'mode': 'probe', 'checkpoint': 'epoch_9.pth', 'seed': 0}


@pytest.fixture
def results(tmp_path):
    made = FewShotResults(tmp_path / 'few_shot.json', SETTINGS)
    for accuracy in (50.0, 60.0, 70.0):
        made.add(4, accuracy, ['a.png', 'b.png'])
    made.add(16, 80.0, ['c.png'])
    return made


def test_the_file_holds_every_run(results):
    content = json.loads(results.path.read_text())
    assert content == {
        **SETTINGS,
        'shots': {
            '4': {
                'mean': 60.0,
                'std': pytest.approx(np.sqrt(200 / 3)),
                'runs': [50.0, 60.0, 70.0],
                'draws': [['a.png', 'b.png']] * 3,
            },
            '16': {
                'mean': 80.0,
                'std': 0.0,
                'runs': [80.0],
                'draws': [['c.png']],
            },
        },
    }


def test_runs_are_taken_up(results):
    again = FewShotResults(results.path, SETTINGS)
    assert [again.has(4, r) for r in range(4)] == [True, True, True, False]
    assert not again.has(1, 0)
    again.add(4, 80.0, [])
    assert again.data['shots']['4']['mean'] == 65.0
    assert len(list(results.path.parent.iterdir())) == 1


def test_the_table_shows_mean_and_deviation_in_order(results):
    lines = results.table().splitlines()
    assert lines[0] == '| accuracy, % | 4-shot | 16-shot |'
    assert lines[2] == '| probe, epoch_9.pth | 60.0 ± 8.2 | 80.0 ± 0.0 |'
    assert len(lines) == 3


def test_the_best_epoch_stands_beside_and_is_called_optimistic(tmp_path):
    results = FewShotResults(tmp_path / 'few_shot.json', SETTINGS)
    results.add(4, 50.0, [], best_on_test=55.0)
    results.add(4, 60.0, [], best_on_test=75.0)
    lines = results.table().splitlines()
    assert '55.0 ± 5.0' in lines[2]
    assert 'optimistic' in lines[3]
    assert '65.0 ± 10.0' in lines[3]
    entry = json.loads(results.path.read_text())['shots']['4']
    assert entry['best_epoch_on_test'] == [55.0, 75.0]
    assert entry['mean'] == 55.0


def test_plots_are_pictures(results, tmp_path):
    results.plot(tmp_path / 'plot' / 'few_shot.png')
    with Image.open(tmp_path / 'plot' / 'few_shot.png') as image:
        pixels = np.asarray(image.convert('L'))
    assert pixels.shape == (600, 900)
    assert 0.001 < (pixels < 200).mean() < 0.5


def test_results_are_set_beside_each_other(results, tmp_path):
    other = {'shots': {'1': {'mean': 12.34, 'std': 1.0, 'runs': [12.34]}}}
    table = compare(
        {'ours': results.data, 'theirs': other}, tmp_path / 'c.png'
    )
    assert table.splitlines() == [
        '| features | 1-shot | 4-shot | 16-shot |',
        '| --- | --- | --- | --- |',
        '| ours |  | 60.0 ± 8.2 | 80.0 ± 0.0 |',
        '| theirs | 12.3 ± 1.0 |  |  |',
    ]
    assert (tmp_path / 'c.png').stat().st_size > 0


def test_the_comparison_has_balanced_accuracy_and_a_picture(tmp_path):
    made = FewShotResults(tmp_path / 'few_shot.json', SETTINGS)
    for accuracy, balanced in ((50.0, 40.0), (60.0, 60.0)):
        made.add(4, accuracy, ['a.png'], balanced=balanced)
    sheet = np.zeros((40, 80, 3), np.uint8)
    sheet[..., 2] = 255
    table = compare({'ours': made.data}, tmp_path / 'c.png', sheet)
    assert table.splitlines()[-1] == '| ours | 55.0 ± 5.0 (50.0) |'
    with Image.open(tmp_path / 'c.png') as picture:
        pixels = np.asarray(picture.convert('RGB'))
    assert (pixels == (255, 0, 0)).all(2).any()
