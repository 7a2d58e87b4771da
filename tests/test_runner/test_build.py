"""Whole runs: what is saved, resumed, averaged and refused."""

import atexit
import signal
import sys
from datetime import timedelta

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import EMAHook

from mmcvgssl.apis import build_runner, load_config, use_amp
from mmcvgssl.engine import InvalidLossError
from mmcvgssl.runner.build import start_processes
from mmcvgssl.weights import read_checkpoint
from tests.data import ROOT, write_broken, write_images

EXACT = """
log_processor = dict(type='LogProcessor', window_size=1, by_epoch=True)
param_scheduler = [
    dict(type='CosineAnnealingLR', T_max=4, by_epoch=True,
         convert_to_iter_based=True)
]
train_cfg = dict(max_epochs=4)
"""
KILLED = """
custom_hooks = [*_base_.custom_hooks, dict(type='KillHook')]
"""
KILLER = """
import os, runpy, signal, sys
import mmcvgssl
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

@HOOKS.register_module()
class KillHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.epoch == 2 and batch_idx == 1:
            os.kill(os.getpid(), signal.SIGKILL)

sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name='__main__')
"""


@pytest.mark.parametrize('workers', [0, 1])
def test_a_killed_run_resumes_with_the_same_losses(
    tiny, fit, scalars, process, tmp_path, workers
):
    extra = EXACT + (
        'model.update(mixup=0.5)\n'
        f'train_dataloader.update(num_workers={workers}, '
        f'persistent_workers={bool(workers)})\n'
        "optim_wrapper = dict(optimizer=dict(type='AdamW', lr=1e-3, "
        '_delete_=True))\n'
    )
    whole = tiny(extra, head=False, name='whole')
    killed = tiny(extra + KILLED, head=False, name='killed')
    train, work_b = ROOT / 'tools' / 'train.py', tmp_path / 'b'
    done = process(
        [sys.executable, '-c', KILLER, train, killed, '--work-dir', work_b]
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    lost = scalars(tmp_path / 'b')
    assert max(lost) == (3, 5)
    assert (tmp_path / 'b' / 'epoch_2.pth').is_file()
    assert not (tmp_path / 'b' / 'epoch_3.pth').exists()
    fit(whole, tmp_path / 'a')
    fit(whole, tmp_path / 'b', resume=True)
    straight, resumed = scalars(tmp_path / 'a'), scalars(tmp_path / 'b')
    assert len(straight) == 8
    assert set(straight) == set(resumed)
    for step, losses in straight.items():
        assert resumed[step] == pytest.approx(losses, rel=0, abs=1e-6)
    assert len({v['loss'] for v in straight.values()}) == 8
    ends = [
        read_checkpoint(tmp_path / run / 'epoch_4.pth')['state_dict']
        for run in 'ab'
    ]
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=0, atol=1e-6)


def test_losses_do_not_depend_on_the_number_of_workers(
    tiny, fit, scalars, tmp_path
):
    logs = []
    for workers in (0, 2):
        config = tiny(
            EXACT
            + 'model.update(mixup=0.5)\n'
            + f'train_dataloader.update(num_workers={workers})\n'
        )
        work = tmp_path / f'w{workers}'
        fit(config, work, {'train_cfg.max_epochs': 2})
        logs.append(scalars(work))
    assert logs[0] == logs[1]
    assert len(logs[0]) == 4


def test_a_run_saves_the_student_alone_and_learns(tiny, fit, tmp_path):
    runner = fit(tiny(), tmp_path / 'work')
    content = read_checkpoint(tmp_path / 'work' / 'epoch_2.pth')
    parts = {name.split('.')[0] for name in content['state_dict']}
    assert parts == {'backbone', 'neck', 'head'}
    assert content['meta']['epoch'] == 2
    teacher = runner.model.teachers[0]
    assert not any(m.training for m in teacher.modules())
    frozen = {id(p) for p in teacher.parameters()}
    groups = runner.optim_wrapper.optimizer.param_groups
    trained = {id(p) for g in groups for p in g['params']}
    assert not frozen & trained
    assert trained == {id(p) for p in runner.model.parameters()}
    first = read_checkpoint(tmp_path / 'work' / 'epoch_1.pth')['state_dict']
    moved = [
        name
        for name, value in content['state_dict'].items()
        if not torch.equal(value, first[name])
    ]
    assert len(moved) > 0.9 * len(first)


def test_averages_hold_no_second_teacher(tiny, fit, tmp_path):
    extra = (
        "custom_hooks = [*_base_.custom_hooks, dict(type='EMAHook', "
        'momentum=0.5)]\n'
    )
    runner = fit(tiny(extra), tmp_path / 'work')
    (hook,) = [h for h in runner.hooks if isinstance(h, EMAHook)]
    averaged = hook.ema_model.module
    assert averaged.teachers[0] is runner.model.teachers[0]
    content = read_checkpoint(tmp_path / 'work' / 'epoch_2.pth')
    for key in ('state_dict', 'ema_state_dict'):
        assert not [n for n in content[key] if 'teacher' in n or 'tower' in n]
    name = 'backbone.conv1.weight'
    mean, plain = content['state_dict'][name], content['ema_state_dict']
    assert not torch.equal(mean, plain[f'module.{name}'])


@pytest.mark.parametrize(('counts', 'steps'), [(1, 8), (2, 4)])
def test_gradients_accumulate_by_config(tiny, fit, tmp_path, counts, steps):
    options = {
        'optim_wrapper.accumulative_counts': counts,
        'optim_wrapper.optimizer': {
            'type': 'AdamW',
            'lr': 1e-3,
            '_delete_': True,
        },
        'train_cfg.max_epochs': 4,
    }
    fit(tiny(), tmp_path / 'work', options)
    content = read_checkpoint(tmp_path / 'work' / 'epoch_4.pth')
    state = content['optimizer']['state'].values()
    assert {int(s['step']) for s in state} == {steps}


@pytest.mark.skipif(
    torch.cuda.is_available(), reason='float16 on an accelerator'
)
def test_bfloat16_trains_with_finite_losses(tiny, fit, scalars, tmp_path):
    config = tiny(EXACT)
    cfg = load_config(config)
    use_amp(cfg)
    options = {'optim_wrapper': cfg.optim_wrapper.to_dict()}
    options['optim_wrapper']['enabled'] = True  # even if emulated
    short = {'train_cfg.max_epochs': 2}
    fit(config, tmp_path / 'half', options | short)
    fit(config, tmp_path / 'full', short)
    half, full = scalars(tmp_path / 'half'), scalars(tmp_path / 'full')
    assert half != full
    for step, losses in full.items():
        assert half[step] == pytest.approx(losses, rel=0.1)


def test_initial_weights_follow_the_seed_of_the_run(tiny, fit, tmp_path):
    weights = []
    for i, seed in enumerate((0, 0, 1)):
        options = {'randomness.seed': seed, 'train_cfg.max_epochs': 1}
        options |= {'optim_wrapper.optimizer.lr': 0.0}
        runner = fit(tiny(), tmp_path / f'run{i}', options)
        weights.append(runner.model.backbone.conv1.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_check_leaves_the_initial_weights_alone(
    tiny, fit, tmp_path, monkeypatch
):
    weights = []
    options = {'train_cfg.max_epochs': 1, 'optim_wrapper.optimizer.lr': 0.0}
    for name in ('with', 'without'):
        runner = fit(tiny(), tmp_path / name, options)
        weights.append(runner.model.backbone.conv1.weight.detach())
        monkeypatch.setitem(
            fit.__globals__, 'check_before_training', lambda _: None
        )
    assert torch.equal(*weights)


def test_nan_stops_the_run_and_names_the_last_good_checkpoint(
    tiny, fit, tmp_path
):
    extra = (
        "param_scheduler = [dict(type='MultiStepLR', milestones=[1], "
        'gamma=1e38)]\n'
    )
    work = tmp_path / 'work'
    with pytest.raises(InvalidLossError) as caught:
        fit(tiny(extra), work, {'train_cfg.max_epochs': 5})
    text = str(caught.value)
    assert 'at iteration 4 of epoch 2' in text
    assert str(work / 'epoch_1.pth') in text
    content = read_checkpoint(work / 'epoch_1.pth')['state_dict']
    assert all(v.isfinite().all() for v in content.values())
    assert not (work / 'epoch_2.pth').exists()


def test_broken_files_are_skipped_in_a_run(tiny, fit, tmp_path, scalars):
    write_broken(tmp_path / 'images' / 'broken')
    options = {'train_dataloader.dataset.max_unreadable': 0.5}
    runner = fit(tiny(EXACT), tmp_path / 'work', options)
    assert runner.train_dataloader.dataset.n_unreadable == 3
    assert len(scalars(tmp_path / 'work')) == 8


def test_teacher_features_are_computed_once_for_fixed_views(
    tiny, fit, tmp_path
):
    calls = []
    options = {
        'model.cache_teacher': True,
        'train_dataloader.dataset.fixed_views': 2,
        'train_dataloader.dataset.max_unreadable': 0.0,
        'train_cfg.max_epochs': 5,
        'custom_imports.imports': ['mmcvgssl'],
    }
    from mmcvgssl.models.teachers import TimmTeacher

    run = TimmTeacher._run

    def count(self, images):
        calls.append(len(images))
        return run(self, images)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TimmTeacher, '_run', count)
        runner = fit(tiny(), tmp_path / 'work', options)
    # one image to learn the width, and as it is and with folded norms to see
    # that these are the same; then two sets of two batches of five views
    assert calls == [1] * 3 + [4 * 5] * 4
    assert len(runner.model.cache) == 8 * 2


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (
            {'train_dataloader.batch_size': 64},
            r'a batch of 64 images .*larger than the data set of 8; set '
            r'train_dataloader\.batch_size to 8 or less',
        ),
        (
            {
                'model.backbone': {
                    'type': 'TIMMBackbone',
                    'model_name': 'vit_tiny_patch16_224',
                    '_delete_': True,
                }
            },
            r'TIMMBackbone cannot take views of 32x32 pixels .*view_size',
        ),
    ],
)
def test_what_would_fail_later_is_said_before(
    tiny, fit, tmp_path, options, message
):
    work = tmp_path / 'work'
    with pytest.raises(ValueError, match=message):
        fit(tiny(), work, options)
    assert not list(work.glob('*.pth'))


def test_a_batch_sampler_counts_as_a_batch(tiny, fit, tmp_path):
    options = {
        'train_dataloader.batch_sampler': {
            'type': 'torch.utils.data.BatchSampler',
            'drop_last': True,
        },
        'train_dataloader.batch_size': 9,
        'train_dataloader.drop_last': False,
    }
    with pytest.raises(ValueError, match='a batch of 9 images'):
        fit(tiny(), tmp_path / 'work', options)


def test_views_are_checked_by_each_size(tiny, fit, tmp_path):
    write_images(tmp_path / 'images', 8)
    extra = 'train_pipeline = _base_.train_pipeline\n'
    extra += 'train_pipeline[1].crop_size = [32, 24, 24, 16]\n'
    runner = fit(tiny(extra), tmp_path / 'work')
    assert runner.epoch == 2


@pytest.mark.parametrize('wrapped', [False, True])
def test_the_seed_of_the_run_reaches_the_data_sets(tiny, tmp_path, wrapped):
    views = []
    for seed in (0, 1):
        cfg = load_config(tiny(), {'randomness.seed': seed})
        cfg.work_dir, cfg.launcher = str(tmp_path / f'{seed}'), 'none'
        cfg.custom_hooks = []
        loader = cfg.train_dataloader
        if wrapped:
            loader.dataset = {
                'type': 'ConcatDataset',
                'datasets': [loader.dataset],
            }
        runner = build_runner(cfg)
        hooks = [type(hook).__name__ for hook in runner.hooks]
        assert hooks.count('EpochSeedHook') == 1
        # whoever builds the loader
        data_set = runner.build_dataloader(loader, seed=seed).dataset
        views.append(data_set[5]['inputs'][0])
    assert not torch.equal(*views)


@pytest.mark.parametrize(
    ('given', 'options'),
    [
        (None, {}),
        ({'backend': 'nccl'}, {}),
        ({'timeout': 60}, {'timeout': timedelta(seconds=60)}),
        ({'backend': 'gloo', 'store': 's'}, {'store': 's'}),
        ({'timeout': '60'}, None),
        ({'timeout': 0}, None),
    ],
)
def test_options_of_a_process_group_hold_on_cpus(given, options, monkeypatch):
    if torch.cuda.is_available():
        pytest.skip('for machines without a GPU')
    asked = []
    monkeypatch.setattr(
        torch.distributed, 'init_process_group', lambda **kw: asked.append(kw)
    )
    monkeypatch.setattr(atexit, 'register', lambda call: None)
    cfg = Config({'launcher': 'pytorch', 'env_cfg': {'dist_cfg': given}})
    if options is None:
        with pytest.raises(ValueError, match=r'timeout=.* expected seconds'):
            start_processes(cfg)
    else:
        start_processes(cfg)
        assert asked == [{'backend': 'gloo', **options}]
