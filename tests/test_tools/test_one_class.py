"""One-class runs over categories: results, resumption, bad input."""

import csv
import json
import shutil
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import DATASETS, HOOKS
from sklearn.metrics import roc_auc_score

from mmcvgssl.apis import load_config
from mmcvgssl.apis.one_class.holdout import hold_out
from mmcvgssl.apis.one_class.run import (
    check_apart,
    evaluate_category,
    find_categories,
    for_category,
    run_one_class,
)
from mmcvgssl.apis.one_class.table import rates, read_result, table
from mmcvgssl.apis.predict import Predictor
from mmcvgssl.datasets import OneClassDataset
from mmcvgssl.evaluation.operating_point import OperatingPoint
from mmcvgssl.model_file import load_model
from mmcvgssl.models.anomaly.threshold_choice import digest_paths
from mmcvgssl.visualization.one_class_plots import write_plots
from tests.one_class_data import (
    LITE,
    RECIPES,
    narrow,
    save,
    tiny_options,
    write_folder,
    write_magnetic_tile,
    write_mvtec,
)

FILES = {
    *('config.py', 'histogram.png', 'model.safetensors', 'result.json'),
    'fitted.safetensors',
    *('roc.png', 'scores.csv', 'provenance.json', 'test', 'train', 'tsne.png'),
}


@HOOKS.register_module()
class NoteResults(Hook):
    noted: ClassVar[list[dict]] = []

    def after_test_epoch(self, runner, metrics=None):
        self.noted.append(metrics)


def options_for(root) -> dict:
    options = tiny_options(root) | narrow() | {'model.in_channels': 32}
    return options | {'test_evaluator.pixel': True}


def options_untrained(root) -> dict:
    return tiny_options(root, trains=False) | {'test_evaluator.pixel': False}


def arguments(options: dict) -> list[str]:
    return ['--cfg-options', *(f'{k}={v}' for k, v in options.items())]


@pytest.fixture(scope='module')
def options(tmp_path_factory):
    """Make the options of a run over two categories."""
    return options_for(write_mvtec(tmp_path_factory.mktemp('mvtec')))


@pytest.fixture(scope='module')
def first(options, tmp_path_factory):
    """Run both categories once."""
    work_dir = tmp_path_factory.mktemp('work')
    results = run_one_class(load_config(LITE, options), work_dir)
    return work_dir, results


@pytest.fixture
def done(first, tmp_path):
    """Copy the first run, to be changed."""
    return shutil.copytree(first[0], tmp_path / 'work')


def weights(folder) -> dict[str, torch.Tensor]:
    return load_model(folder).model.backbone.state_dict()


def test_each_category_is_trained_fitted_and_evaluated(first):
    work_dir, results = first
    assert list(results) == ['bolt', 'nut']
    for name, result in results.items():
        folder = work_dir / name
        assert {path.name for path in folder.iterdir()} == FILES
        content = json.loads((folder / 'result.json').read_text())
        assert content['metrics'] == result['metrics']
        with (folder / 'scores.csv').open() as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == content['images'] == 6
        assert all(f'/{name}/test/' in row['path'] for row in rows)
        labels = np.array([int(row['label']) for row in rows])
        scores = np.array([float(row['score']) for row in rows])
        area = roc_auc_score(labels, scores)
        assert content['metrics']['image_auroc'] == pytest.approx(area)
        assert 0 <= content['metrics']['pixel_aupro'] <= 1
        model = load_model(folder / 'model.safetensors').model
        assert content['threshold']['threshold'] == model.threshold
        assert content['threshold']['n'] == 10
        above = scores > model.threshold
        assert content['detected'] == above[labels == 1].mean()
        assert content['false_alarms'] == above[labels == 0].mean()
        trained = torch.load(folder / 'train/epoch_2.pth', weights_only=False)[
            'state_dict'
        ]
        for key, value in model.backbone.state_dict().items():
            assert torch.equal(value, trained[f'backbone.{key}'])
    pair = [weights(work_dir / n / 'model.safetensors') for n in results]
    assert not torch.equal(pair[0]['conv1.weight'], pair[1]['conv1.weight'])


def test_the_table_has_the_mean(first):
    work_dir, results = first
    content = json.loads((work_dir / 'results.json').read_text())
    assert set(content['categories']) == {'bolt', 'nut'}
    areas = [r['metrics']['image_auroc'] for r in results.values()]
    assert content['mean']['image_auroc'] == pytest.approx(np.mean(areas))
    lines = (work_dir / 'results.md').read_text().splitlines()
    assert lines[0].startswith('| category | image_auroc |')
    names = [line.split(' | ')[0] for line in lines[2:]]
    assert names == ['| bolt', '| nut', '| mean']
    assert lines[-1].split(' | ')[1] == f'{np.mean(areas):.3f}'


def test_what_is_done_is_kept_and_the_rest_goes_on(done, first, options, tool):
    kept = (done / 'bolt/model.safetensors').stat().st_mtime_ns
    nut = done / 'nut'
    before = weights(nut / 'model.safetensors')
    # as if it had been stopped in the second epoch
    for name in ('result.json', 'model.safetensors', 'train/epoch_2.pth'):
        (nut / name).unlink()
    last = nut / 'train/last_checkpoint'
    last.write_text(str(nut / 'train/epoch_1.pth'))
    code, out, err = tool(
        'one_class.py', LITE, '--work-dir', done, *arguments(options)
    )
    assert code == 0, err
    assert out.count('| nut |') == 1
    assert kept == (done / 'bolt/model.safetensors').stat().st_mtime_ns
    after = weights(nut / 'model.safetensors')
    assert all(torch.equal(value, after[k]) for k, value in before.items())
    content = json.loads((nut / 'result.json').read_text())
    assert content['metrics'] == pytest.approx(first[1]['nut']['metrics'])


def test_a_run_of_other_settings_stands_beside_the_old(done, options, tool):
    changed = arguments({**options, 'detector.density': 'kde'})
    base = ['one_class.py', LITE, '--work-dir', done, '--categories', 'nut']
    nut = done / 'nut'
    before = (nut / 'result.json').read_text()
    trained = (nut / 'train/epoch_2.pth').stat().st_mtime_ns
    code, out, err = tool(*base, *changed)
    assert code == 0, err
    assert "detector.density: None there, 'kde' here" in out + err
    assert (nut / 'train/epoch_2.pth').stat().st_mtime_ns == trained
    assert (nut / 'result.json').read_text() != before
    (kept,) = (nut / 'earlier').glob('*/result.json')
    assert kept.read_text() == before
    assert len(list((nut / 'earlier').glob('*/model.safetensors'))) == 1
    (nut / 'provenance.json').write_text('no json')
    code, _, err = tool(*base, *arguments(options))
    assert code == 1
    assert 'nut/provenance.json does not say what' in err


def test_a_training_serves_other_detectors_and_a_later_test(done, options):
    nut = done / 'nut'
    (nut / 'result.json').unlink()
    trained = nut / 'train/epoch_2.pth'
    before = trained.stat().st_mtime_ns

    def run(test=True, **changed):
        cfg = load_config(LITE, {**options, **changed})
        return run_one_class(cfg, done, ['nut'], test)['nut']

    slower = {'train_dataloader.pin_memory': True, 'detector.folds': 2}
    with pytest.raises(ValueError, match='needs at least 99 good images'):
        run(**slower, **{'detector.false_alarm_rate': 0.01})
    assert run(test=False, **slower)['images'] == 0
    assert run(**slower, **{'fit_dataloader.batch_size': 3})['images'] == 6
    assert trained.stat().st_mtime_ns == before
    (nut / 'result.json').unlink()
    run(**{'optim_wrapper.optimizer.lr': 0.5})
    (kept,) = (nut / 'train/earlier').glob('*/epoch_2.pth')
    assert kept.stat().st_mtime_ns == before


def test_the_detector_is_what_was_trained(done, options, tmp_path):
    trained = done / 'nut/train/epoch_2.pth'
    cfg = for_category(load_config(LITE, options), 'nut')
    cfg.load_from = str(done / 'bolt/train/epoch_2.pth')
    # hooks of the user act in the test, too
    NoteResults.noted.clear()
    cfg.custom_hooks += [dict(type='EMAHook'), dict(type='NoteResults')]
    evaluate_category(cfg, tmp_path / 'new', 'nut', str(trained))
    assert len(NoteResults.noted) == 1
    mine = weights(tmp_path / 'new/model.safetensors')
    theirs = weights(done / 'nut/model.safetensors')
    assert all(torch.equal(value, theirs[k]) for k, value in mine.items())
    cfg = load_config(RECIPES / 'untrained_resnet18_folder.py')
    cfg.load_from = 'weights.pth'
    with pytest.raises(ValueError, match=r'model\.checkpoint'):
        run_one_class(cfg, tmp_path / 'none')
    cfg.load_from = None
    cfg.custom_hooks = [dict(type='mmcvgssl.UnfreezeHook')]
    with pytest.raises(ValueError, match='UnfreezeHook, acts in trainings'):
        run_one_class(cfg, tmp_path / 'none')


def test_what_is_tested_on_is_not_learned_from(tmp_path):
    root = write_folder(tmp_path / 'folder')
    path = RECIPES / 'cutpaste-3way_resnet18_folder.py'
    cfg = load_config(path, {'data_root': str(root)})
    check_apart(cfg)
    for part in ('train', 'fit'):
        options = cfg[f'{part}_dataloader'].dataset.to_dict()
        data_set = OneClassDataset(
            **{k: v for k, v in options.items() if k != 'type'}
        )
        read = [data_set.get_data_info(i) for i in range(data_set.n_images)]
        names = {info['img_path'].rpartition('/')[2] for info in read}
        assert names == {f'{i}.png' for i in range(10)}
    cfg.fit_dataloader.dataset.leave_out = ''
    with pytest.raises(ValueError, match='3 of 6 images to test on are lea'):
        run_one_class(cfg, tmp_path / 'work')
    cfg.fit_dataloader.dataset.leave_out = 'test.txt'
    listed = root / 'mmcvgssl/test.txt'
    listed.write_text(''.join(f'good/{i}.png 0\n' for i in range(10)))
    listed.open('a').write(''.join(f'good/t{i}.png 0\n' for i in range(3)))
    with pytest.raises(ValueError, match='leaves out all 13 images'):
        run_one_class(cfg, tmp_path / 'work')


def test_a_batch_of_two_sizes_is_refused(options, tmp_path):
    cfg = load_config(LITE, {**options, 'train_dataloader.batch_size': 2})
    with pytest.raises(ValueError, match='batch_size=2'):
        run_one_class(cfg, tmp_path, ['nut'])


def test_bad_input_is_named(options, tool, tmp_path):
    base = ['one_class.py', LITE, '--work-dir', tmp_path / 'work']
    wrong = ['--categories', 'bolt,screw', *arguments(options)]
    code, _, err = tool(*base, *wrong)
    assert code == 1
    assert 'has no category screw; it has bolt, nut' in err
    root = write_mvtec(tmp_path / 'bare', names=('bolt',))
    shutil.rmtree(root / 'bolt/train/good')
    (root / 'bolt/train/good').mkdir()
    code, _, err = tool(*base, *arguments({**options, 'data_root': root}))
    assert code == 1
    assert 'no good images' in err.rpartition('ERROR')[2]
    other = RECIPES.parent / 'mahalanobis_ad/mahalanobis-ad_lite0_mvtec.py'
    code, _, err = tool('one_class.py', other, '--work-dir', tmp_path / 'x')
    assert code == 1
    assert 'describes no one-class detector' in err
    assert not (tmp_path / 'work').exists()


def test_a_category_without_defects_has_no_auroc(tmp_path):
    root = write_mvtec(tmp_path / 'good', defects=(), names=('bolt',))
    cfg = load_config(
        RECIPES / 'untrained_lite0_mvtec.py',
        tiny_options(root, trains=False) | {'category': 'bolt'},
    )
    cfg.model.backbone.update(model_name='test_efficientnet', weights=None)
    cfg.model.false_alarm_rate = 0.1
    results = run_one_class(cfg, tmp_path / 'work')
    assert np.isnan(results['bolt']['metrics']['image_auroc'])
    assert np.isnan(results['bolt']['detected'])
    content = read_result(tmp_path / 'work/bolt/result.json')
    assert content['metrics'] == pytest.approx(
        results['bolt']['metrics'], nan_ok=True
    )
    assert np.isnan(content['detected'])
    for name in ('results.json', 'bolt/result.json'):
        assert 'NaN' not in (tmp_path / 'work' / name).read_text()
    with (tmp_path / 'work/bolt/scores.csv').open() as file:
        scores = [float(row['score']) for row in csv.DictReader(file)]
    assert len(scores) == 3
    above = np.array(scores) > content['threshold']['threshold']
    assert results['bolt']['false_alarms'] == above.mean()
    assert '| bolt | – |' in (tmp_path / 'work/results.md').read_text()
    assert not (tmp_path / 'work/bolt/roc.png').exists()
    assert not (tmp_path / 'work/bolt/train').exists()


@pytest.mark.parametrize(
    ('wanted', 'want'),
    [
        ([], ['01', 'cable', 'lot,42']),
        (['all'], ['01', 'cable', 'lot,42']),
        ([''], ['01', 'cable', 'lot,42']),
        (['cable'], ['cable']),
        (['cable,01'], ['cable', '01']),
        (['cable, 01 '], ['cable', '01']),
        (['lot,42'], ['lot,42']),
        (['lot,42', 'cable'], ['lot,42', 'cable']),
        (['bottle'], 'no category bottle; it has 01, cable, lot,42'),
        (['lot,cable'], 'no category lot; it has'),
    ],
)
def test_categories_are_those_that_are_named(tmp_path, wanted, want):
    """The config's own, which the tree lacks, does not matter then."""
    for name in ('cable', '01', 'lot,42'):
        for place in ('train/good/0', 'test/good/1', 'test/cut/2'):
            save(tmp_path / f'mv/{name}/{place}.png', 0)
    recipe = RECIPES / 'untrained_lite0_mvtec.py'
    cfg = load_config(recipe, {'data_root': str(tmp_path / 'mv')})
    assert cfg.category == 'bottle'
    if isinstance(want, str):
        with pytest.raises(ValueError, match=want):
            find_categories(cfg, wanted)
        return
    assert find_categories(cfg, wanted) == want
    for name in want:
        check_apart(for_category(cfg, name))


def test_a_set_without_categories_is_one(tmp_path):
    root = write_magnetic_tile(tmp_path / 'tiles')
    options = tiny_options(root) | {'optim_wrapper.type': 'OptimWrapper'}
    cfg = load_config(RECIPES / 'cutpaste-3way_lite0_cpu_folder.py', options)
    cfg.model.backbone.update(model_name='test_efficientnet', weights=None)
    cfg.model.in_channels = 256
    cfg.custom_hooks[-1].epochs = 1
    results = run_one_class(cfg, tmp_path / 'work')
    assert list(results) == ['all']
    assert np.isfinite(results['all']['metrics']['pixel_auroc'])
    assert (tmp_path / 'work/all/model.safetensors').is_file()


def test_good_images_alone_make_a_model(tmp_path, tool):
    root = tmp_path / 'good'
    for i in range(10):
        save(root / f'{i}.png', i)
    options = tiny_options(root) | narrow() | {'model.in_channels': 32}
    work_dir = tmp_path / 'work'
    code, _, err = tool(
        'one_class.py',
        RECIPES / 'cutpaste-3way_resnet18_folder.py',
        *('--work-dir', work_dir, '--no-test', *arguments(options)),
    )
    assert code == 0, err
    result = json.loads((work_dir / 'all/result.json').read_text())
    assert result['metrics'] == {}
    assert result['threshold']['n'] == 10
    model = work_dir / 'all/model.safetensors'
    code, out, err = tool('predict.py', model, root, '--out', tmp_path / 'p')
    assert code == 0, err
    assert '10 images: ' in out


def images(labels, scores) -> list[dict]:
    return [
        {'label': label, 'score': s, 'defect': '', 'embedding': np.ones(3)}
        for label, s in zip(labels, scores, strict=True)
    ]


def test_rates_count_what_is_above_the_threshold():
    point = OperatingPoint(2.0, 0.1, (0.0, 0.2), 0.95, 50)
    found = rates(images([0, 0, 1, 1, 1, 1], [1, 3, 2, 3, 4, 5]), point)
    assert found['false_alarms'] == 0.5
    assert found['detected'] == 0.75
    assert found['threshold']['n'] == 50
    assert rates(images([0], [1]), None) == {'images': 1, 'threshold': None}


def test_means_leave_out_what_is_undefined():
    results = {
        name: {'metrics': {'image_auroc': value}}
        for name, value in (('a', 0.5), ('b', float('nan')), ('c', 1.0))
    }
    rows = table(results).splitlines()[2:]
    assert rows == [
        '| a | 0.500 |',
        '| b | – |',
        '| c | 1.000 |',
        '| mean | 0.750 |',
    ]


@pytest.mark.parametrize(
    ('labels', 'names'),
    [
        ([0, 1, 0, 1, 0, 1], {'histogram', 'roc', 'tsne'}),
        ([0, 0, 0], {'histogram'}),
        ([1, 0], {'histogram', 'roc'}),
    ],
)
def test_plots_are_drawn_where_they_can_be(tmp_path, labels, names):
    written = write_plots(images(labels, range(len(labels))), 1.5, tmp_path)
    assert {path.stem for path in written} == names
    assert all(path.read_bytes()[1:4] == b'PNG' for path in written)


HELD = {'detector.holdout': 0.3, 'detector.false_alarm_rate': 0.25}


@pytest.mark.parametrize('trains', [True, False])
def test_the_threshold_is_chosen_on_images_nothing_has_learned_from(
    trains, options, tmp_path
):
    if trains:
        cfg = load_config(LITE, options | HELD)
    else:
        config = RECIPES / 'untrained_lite0_mvtec.py'
        extra = {'model.false_alarm_rate': 0.25, 'category': ''}
        data = options_untrained(options['data_root'])
        cfg = load_config(config, data | extra)
    results = run_one_class(cfg, tmp_path, ['bolt'])
    for name, result in results.items():
        folder = tmp_path / name
        model = load_model(folder / 'model.safetensors').model
        chosen = json.loads((folder / 'result.json').read_text())['threshold'][
            'chosen'
        ]
        assert chosen == model.chosen == result['threshold']['chosen']
        assert chosen['wanted_false_alarm_rate'] == 0.25
        assert chosen['interval'] == list(result['threshold']['interval'])
        if not trains:
            assert chosen['method'] == 'cross-fit'
            assert chosen['good_images'] == 10
            assert 'weights' in chosen['note']
            assert not (folder / 'held_out.txt').exists()
            continue
        assert chosen['method'] == 'held-out'
        assert chosen['good_images'] == 3
        content = (folder / 'held_out.txt').read_text().splitlines()
        assert len(content) == 3
        paths = [str(Path(options['data_root'], name)) for name in content]
        assert chosen['images_digest'] == digest_paths(paths)
        # neither training nor fitting reads them
        seen = hold_out(for_category(cfg, name))
        for part in ('train', 'fit'):
            data_set = DATASETS.build(seen[f'{part}_dataloader'].dataset)
            learned = {
                data_set.get_data_info(i)['img_path']
                for i in range(data_set.n_images)
            }
            assert len(learned) == 7
            assert not learned & set(paths)
        # the scores of those very images
        scores = [
            p.score for p in Predictor(folder / 'model.safetensors')(paths)
        ]
        assert model.threshold in [pytest.approx(s, rel=1e-3) for s in scores]


def test_a_threshold_on_images_trained_on_says_so(first):
    result = first[1]['bolt']['threshold']
    assert result['chosen']['method'] == 'in-sample'
    assert result['interval'] is result['false_alarm_rate'] is None
    assert 'hold images out' in result['chosen']['note']


@pytest.mark.parametrize(
    ('extra', 'message'),
    [
        ({'detector.holdout': 0.2}, 'of 10 good images, 2 are held out'),
        ({'detector.holdout': 1.5}, 'share of 0 or more below 1'),
    ],
)
def test_too_few_held_out_are_refused_before_training(
    options, tmp_path, extra, message
):
    with pytest.raises(ValueError, match=message):
        run_one_class(load_config(LITE, options | HELD | extra), tmp_path)
    assert not list(tmp_path.rglob('*.pth'))


def test_held_out_images_that_training_reads_are_refused(tmp_path):
    root = write_folder(tmp_path / 'data')
    recipe = RECIPES / 'cutpaste-3way_resnet18_folder.py'
    cfg = load_config(recipe, options_for(root) | HELD)
    some = root / 'mmcvgssl/some.txt'
    some.write_text(''.join(f'good/{i}.png 0\n' for i in range(9)))
    cfg.train_dataloader.dataset.ann_file = 'some.txt'
    with pytest.raises(ValueError, match='read the same list'):
        run_one_class(cfg, tmp_path / 'work', test=False)


@pytest.mark.parametrize('seed', [0, 1])
def test_a_data_set_is_divided_the_same_in_any_order(seed, tmp_path):
    root = write_mvtec(tmp_path)
    made = {}
    for part in ('learn', 'held-out'):
        data_set = OneClassDataset(
            str(root), holdout=0.3, holdout_seed=seed, part=part, pipeline=[]
        )
        infos = [data_set.get_data_info(i) for i in range(len(data_set))]
        made[part] = {info['img_path'] for info in infos}
        # each category by itself
        for name in ('bolt', 'nut'):
            alone = OneClassDataset(
                str(root),
                holdout=0.3,
                holdout_seed=seed,
                part=part,
                category=name,
                pipeline=[],
            )
            count = 7 if part == 'learn' else 3
            assert len(alone) == count
            assert sum(i['category'] == name for i in infos) == count
    assert len(made['learn']) == 14
    assert not made['learn'] & made['held-out']
    other = OneClassDataset(
        str(root),
        holdout=0.3,
        holdout_seed=seed + 2,
        part='held-out',
        pipeline=[],
    )
    paths = {other.get_data_info(i)['img_path'] for i in range(len(other))}
    assert paths != made['held-out']
