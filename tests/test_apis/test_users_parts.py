"""Hooks and metrics of the user, beside those of the tools."""

import logging

import pytest
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.registry import HOOKS, METRICS

from mmcvgssl.apis.users_parts import (
    fit_config,
    join_hooks,
    metrics_without_labels,
)
from mmcvgssl.engine.hook_stages import hooks_in_tests

FIT = dict(type='mmcvgssl.AnomalyFitHook')
WRITE = dict(type='mmcvgssl.MapWriterHook', out='o', root='r')
RUNTIME = [
    dict(type='mmcvgssl.EpochSeedHook'),
    dict(type='mmcvgssl.InvalidLossHook'),
    dict(type='SyncBuffersHook'),
]


@HOOKS.register_module()
class PerTestBatch(Hook):
    def after_test_iter(self, *args, **kwargs): ...


@HOOKS.register_module()
class PerAnyBatch(Hook):
    def _after_iter(self, *args, **kwargs): ...


@HOOKS.register_module()
class AtTheEnd(Hook):
    def after_run(self, runner): ...


@HOOKS.register_module()
class PerTrainedBatch(Hook):
    def before_run(self, runner): ...

    def before_train_iter(self, *args, **kwargs): ...


@METRICS.register_module()
class HighestScore(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results += [s['anomaly_score'] for s in data_samples]

    def compute_metrics(self, results):
        return {'highest': float(max(results))}


def config(**parts) -> Config:
    return Config({'default_scope': 'mmpretrain', **parts})


def hook(kind: str, **options) -> dict:
    return dict(type=kind, **options)


def fit_hook(**options) -> dict:
    return hook('mmcvgssl.AnomalyFitHook', **options)


@pytest.mark.parametrize(
    ('given', 'kept'),
    [
        (None, []),
        ([], []),
        ([fit_hook()], []),
        (RUNTIME, []),
        ([hook('PerTestBatch')], [0]),
        ([hook('PerAnyBatch')], [0]),
        ([hook('AtTheEnd', priority='LOW')], [0]),
        ([hook('mmcvgssl.ChannelsLastHook')], [0]),
        ([hook('EMAHook', momentum=0.1)], [0]),
        ([*RUNTIME, hook('AtTheEnd'), hook('PerTestBatch')], [3, 4]),
        ([hook(AtTheEnd)], [0]),
        ([AtTheEnd()], [0]),
    ],
)
@pytest.mark.parametrize('trained', [False, True])
def test_hooks_that_act_in_tests_stay_beside_the_tools(given, kept, trained):
    cfg = config(custom_hooks=given)
    joined = join_hooks(cfg, [FIT, WRITE], 'use --out', trained)
    assert joined[:2] == [FIT, WRITE]
    assert joined[2:] == [cfg.custom_hooks[i] for i in kept]
    # what a tool adds is not taken for the user's
    assert hooks_in_tests(config(custom_hooks=joined)) == joined[2:]


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('EMAHook', 'is a list'),
        (hook('EMAHook'), 'is a list'),
        (['EMAHook'], r"custom_hooks\.0 is 'EMAHook'"),
        ([*RUNTIME, {'momentum': 1}], r'custom_hooks\.3 is .*the type of'),
        ([hook('EMHook')], "'EMHook', and no hook of this name"),
        (
            [fit_hook(state='x')],
            r"sets state='x'.* use --out",
        ),
        (
            [fit_hook(must_exist=True)],
            'sets must_exist=True',
        ),
        ([hook('mmcvgssl.MapWriterHook', dtype='float32')], 'sets dtype='),
    ],
)
@pytest.mark.parametrize('trained', [False, True])
def test_hooks_that_cannot_act_are_refused(given, message, trained):
    with pytest.raises(ValueError, match=message):
        join_hooks(
            config(custom_hooks=given), [FIT, WRITE], 'use --out', trained
        )


@pytest.mark.parametrize(
    'kind',
    [
        *('PerTrainedBatch', 'mmcvgssl.UnfreezeHook', 'EarlyStoppingHook'),
        *('mmcvgssl.LoadBackboneHook', 'mmpretrain.SwitchRecipeHook'),
    ],
)
def test_hooks_of_trainings_need_one(kind):
    cfg = config(custom_hooks=[*RUNTIME, hook(kind)])
    with pytest.raises(ValueError, match=r'custom_hooks\.3, .* trainings al'):
        join_hooks(cfg, [FIT], '')
    assert join_hooks(cfg, [FIT], '', trained=True) == [FIT]


@pytest.mark.parametrize(
    ('given', 'whole'),
    [
        (None, dict(type='mmcvgssl.FitLoop', state='s')),
        (dict(type='MyLoop', must_exist=1), dict(type='MyLoop', must_exist=1)),
        (dict(type='A', state=None), dict(type='A', state='s')),
        (dict(type='A', state='s'), dict(type='A', state='s')),
        (dict(type='A', state='mine'), None),
    ],
)
def test_what_the_config_says_of_fitting_stays(given, whole):
    cfg = config(fit_cfg=given)
    if whole is None:
        with pytest.raises(ValueError, match=r"state='mine'.* use --out"):
            fit_config(cfg, 'use --out', state='s')
    else:
        assert fit_config(cfg, '', state='s') == whole | {'state': 's'}


DUMP = dict(type='DumpResults', out_file_path='all.pkl')
OURS = dict(type='mmcvgssl.AnomalyMetric')


@pytest.mark.parametrize(
    ('given', 'kept', 'warned'),
    [
        (None, [], 0),
        ([], [], 0),
        (OURS, [], 0),
        ([OURS, DUMP], [DUMP], 0),
        (DUMP, [DUMP], 0),
        ([dict(type='HighestScore'), OURS], [dict(type='HighestScore')], 0),
        (dict(type='Accuracy', topk=(1,)), [], 1),
        ([DUMP, dict(type='mmdet.CocoMetric')], [DUMP], 1),
    ],
)
def test_metrics_without_labels_stay(given, kept, warned, monkeypatch):
    said = []
    monkeypatch.setattr(
        MMLogger.get_current_instance(), 'log', lambda *a: said.append(a)
    )
    assert metrics_without_labels(config(test_evaluator=given)) == kept
    levels = [level for level, _ in said if level >= logging.INFO]
    assert levels.count(logging.WARNING) == warned
    given = given if isinstance(given, list) else [given] if given else []
    assert len(levels) == len(given) - len(kept)


def test_an_evaluator_of_the_user_stays():
    held = dict(type='Evaluator', metrics=[OURS, DUMP])
    found = metrics_without_labels(config(test_evaluator=held))
    assert found == dict(type='Evaluator', metrics=[DUMP])
    with pytest.raises(ValueError, match="'Highest', and no metric"):
        metrics_without_labels(config(test_evaluator=dict(type='Highest')))
