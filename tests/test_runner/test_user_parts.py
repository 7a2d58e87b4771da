"""Hooks and loops of the user, beside those of the tools."""

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import HOOKS

from mmcvgssl.engine.hook_stages import hooks_in_tests
from mmcvgssl.runner.user_parts import (
    fit_config,
    join_hooks,
    loop_config,
)

FIT = dict(type='mmcvgssl.AnomalyFitHook')
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
    joined = join_hooks(cfg, [FIT], 'use --out', trained)
    assert joined[:1] == [FIT]
    assert joined[1:] == [cfg.custom_hooks[i] for i in kept]
    # what a tool adds is not taken for the user's
    assert hooks_in_tests(config(custom_hooks=joined)) == joined[1:]


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
    ],
)
@pytest.mark.parametrize('trained', [False, True])
def test_hooks_that_cannot_act_are_refused(given, message, trained):
    with pytest.raises(ValueError, match=message):
        join_hooks(config(custom_hooks=given), [FIT], 'use --out', trained)


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
        (dict(must_exist=1), dict(type='mmcvgssl.FitLoop', must_exist=1)),
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


@pytest.mark.parametrize(
    ('given', 'whole'),
    [
        (None, dict(type='A', batch_size=4, out='o')),
        (dict(batch_size=2), dict(type='A', batch_size=2, out='o')),
        (dict(type='B', out='o'), dict(type='B', batch_size=4, out='o')),
        (dict(out='mine'), None),
    ],
)
def test_what_the_config_says_of_a_loop_stays(given, whole):
    cfg = config(map_cfg=given)
    parts = ('map_cfg', 'use --out', dict(type='A', batch_size=4))
    if whole is None:
        with pytest.raises(ValueError, match=r"map_cfg sets out='mine'"):
            loop_config(cfg, *parts, dict(out='o'))
    else:
        assert loop_config(cfg, *parts, dict(out='o')) == whole
