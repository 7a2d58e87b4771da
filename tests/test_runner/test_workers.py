"""Loaders without workers have nothing that needs them."""

import pytest
from mmengine.config import Config
from torch.utils.data import DataLoader

from mmcvgssl.apis import load_config
from mmcvgssl.runner.workers import settle_workers
from tests.data import CONFIGS

CASES = {
    # what is given, and what comes of it
    'persistent': (
        dict(num_workers=0, persistent_workers=True),
        dict(num_workers=0, persistent_workers=False),
    ),
    'prefetch': (
        dict(num_workers=0, prefetch_factor=4),
        dict(num_workers=0, prefetch_factor=None),
    ),
    'all': (
        dict(
            num_workers=0,
            persistent_workers=True,
            prefetch_factor=2,
            multiprocessing_context='spawn',
            timeout=5,
        ),
        dict(
            num_workers=0,
            persistent_workers=False,
            prefetch_factor=None,
            multiprocessing_context=None,
            timeout=0,
        ),
    ),
    'default': (dict(persistent_workers=True), dict(persistent_workers=False)),
    'agree': (
        dict(num_workers=0, persistent_workers=False),
        dict(num_workers=0, persistent_workers=False),
    ),
    'workers': (
        dict(num_workers=2, persistent_workers=True, prefetch_factor=4),
        dict(num_workers=2, persistent_workers=True, prefetch_factor=4),
    ),
}


@pytest.mark.parametrize('part', ['train', 'val', 'test', 'fit'])
@pytest.mark.parametrize('case', CASES)
def test_settings_are_set_from_one_another(monkeypatch, case, part):
    given, want = CASES[case]
    said = []
    monkeypatch.setattr(
        'mmcvgssl.runner.workers.print_log', lambda text, _: said.append(text)
    )
    cfg = Config({f'{part}_dataloader': dict(given)})
    settle_workers(cfg)
    assert cfg[f'{part}_dataloader'].to_dict() == want
    DataLoader([0], **want)  # torch takes it
    assert bool(said) == (given != want)
    for text in said:
        assert text.startswith(f'{part}_dataloader: num_workers=0, hence')


def test_each_of_several_loaders_is_looked_at():
    cfg = Config({'val_dataloader': [CASES['persistent'][0], {}], 'x': None})
    cfg.test_dataloader = None
    settle_workers(cfg)
    assert cfg.val_dataloader == [CASES['persistent'][1], {}]


@pytest.mark.parametrize(
    'key', ['train_dataloader.persistent_workers', 'fit_dataloader.timeout']
)
def test_what_is_asked_for_is_not_switched_off(key):
    name, _, part = key.partition('.')
    cfg = Config({name: {part: 1, 'num_workers': 0}})
    with pytest.raises(ValueError, match=f'{key}=1 needs workers') as caught:
        settle_workers(cfg, [key])
    assert f'{name}.num_workers=0' in str(caught.value)


@pytest.mark.parametrize('workers', [-1, 0.5, None, 'many', True])
def test_the_number_of_workers_is_one(workers):
    cfg = Config({'test_dataloader': {'num_workers': workers}})
    with pytest.raises(ValueError, match=r'test_dataloader\.num_workers='):
        settle_workers(cfg)


RECIPES = sorted(
    path
    for path in CONFIGS.rglob('*.py')
    if '_base_' not in path.parts and 'pipelines' not in path.parts
)


def test_no_recipe_minds_a_loader_without_workers():
    for path in RECIPES[::12]:
        cfg = load_config(path)
        loaders = [key for key in cfg if key.endswith('_dataloader')]
        loaders = [key for key in loaders if cfg[key]]
        assert loaders, path
        options = {f'{key}.num_workers': 0 for key in loaders}
        cfg = load_config(path, options)
        for key in loaders:
            assert cfg[key].num_workers == 0, path
            assert not cfg[key].get('persistent_workers'), path
