"""Every shipped CutPaste recipe: found by glob, stepped, fitted, tested."""

import re

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmcvgssl.apis import load_config
from mmcvgssl.apis.one_class.run import check_config, detector_config
from mmcvgssl.datasets import OneClassDataset
from mmcvgssl.datasets.update_sampler import UpdateSampler
from mmcvgssl.engine.unfreeze_hook import UnfreezeHook
from mmcvgssl.models.backbones import TimmBackbone  # noqa: F401
from mmcvgssl.models.layers import SSPCAB
from mmcvgssl.models.selfsup import CutPasteClassifier
from mmcvgssl.registry import HOOKS, MODELS
from tests.data import CONFIGS, with_data_set
from tests.one_class_data import (
    tiny_options,
    write_folder,
    write_magnetic_tile,
    write_mvtec,
)

FOLDER = CONFIGS / 'anomaly/cutpaste'
RECIPES = sorted(FOLDER.glob('*.py'))
TRAINED = [p for p in RECIPES if not p.stem.startswith('untrained')]
NAME = re.compile(
    r'(?P<task>cutpaste(-3way|-scar|-union)?)(?P<patch>-patch64)?'
    r'_(?P<backbone>resnet18|lite0)(?P<in1k>-in1k)?(?P<sspcab>_sspcab)?'
    r'(?P<size>_cpu|_lite)?_(?P<data>mvtec|folder)'
)
TRANSFORMS = {
    'cutpaste': 'CutPaste',
    'cutpaste-scar': 'CutPasteScar',
    'cutpaste-union': 'CutPasteUnion',
    'cutpaste-3way': 'CutPaste3Way',
}


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """Make a tree in each layout that the recipes read."""
    root = tmp_path_factory.mktemp('trees')
    return {
        'mvtec': write_mvtec(root / 'mvtec', names=('bottle',)),
        'magnetic_tile': write_magnetic_tile(root / 'tiles'),
        'folder': write_folder(root / 'folder'),
    }


def small(path, root):
    """Load a recipe for a tiny tree and a tiny backbone."""
    trains = not path.stem.startswith('untrained')
    options = tiny_options(root, trains)
    if 'sspcab' in path.stem:
        # on smaller maps the block sees nothing but padding
        options['input_size'] = 96
    cfg = load_config(path, options)
    inner = cfg.model.backbone
    if inner.type == 'mmcvgssl.WithSSPCAB':
        inner = inner.backbone
    if inner.type == 'mmcvgssl.TimmBackbone':
        assert inner.weights == 'package:efficientnet-lite0'
        inner.update(model_name='test_efficientnet', weights=None)
        width = 256
    else:
        inner.pop('init_cfg', None)
        inner.update(base_channels=4, stem_channels=4)
        width = 32
    if trains:
        cfg.model.in_channels = width
        cfg.detector.false_alarm_rate = 0.2
        for step in cfg.train_dataloader.dataset.pipeline:
            if step.type == 'mmpretrain.RandomCrop':
                step.crop_size = 16
                cfg.detector.patch.update(size=16)
    else:
        cfg.model.false_alarm_rate = 0.2
    return cfg


def batches(loader) -> list:
    return list(Runner.build_dataloader(loader.to_dict(), seed=0))


def test_there_are_recipes():
    assert len(TRAINED) >= 14
    assert len(RECIPES) - len(TRAINED) >= 3


@pytest.mark.parametrize('path', TRAINED, ids=lambda p: p.stem)
def test_a_recipe_is_what_its_name_says(path):
    cfg, said = load_config(path), NAME.fullmatch(path.stem)
    pipeline = cfg.train_dataloader.dataset.pipeline
    types = [step.type for step in pipeline]
    assert types[-2] == f'mmcvgssl.{TRANSFORMS[said["task"]]}'
    assert cfg.model.num_classes == 2 + (said['task'] == 'cutpaste-3way')
    assert ('mmpretrain.RandomCrop' in types) == bool(said['patch'])
    assert ('patch' in cfg.detector) == bool(said['patch'])
    is_new = cfg.model.backbone.type == 'mmcvgssl.WithSSPCAB'
    assert is_new == bool(said['sspcab'])
    hooks = [h for h in cfg.custom_hooks if h.type == 'mmcvgssl.UnfreezeHook']
    pretrained = said['in1k'] or said['backbone'] == 'lite0'
    assert bool(hooks) == bool(pretrained)
    assert bool(hooks) == cfg.get('find_unused_parameters', False)
    if said['patch']:  # a crop keeps its scale
        crop, paste = pipeline[1:3]
        assert paste.scar.side == crop.crop_size == cfg.detector.patch.size
    if hooks and said['sspcab']:
        assert hooks[0].keep == 'backbone.layer4.1.conv2'
    epochs = 10 if said['size'] else 256
    # few small steps on pretrained weights
    gentle = said['backbone'] == 'lite0'
    updates = {None: 256, '_cpu': 64, '_lite': 16}[said['size']]
    updates = 10 if gentle else updates
    assert cfg.model.backbone.get('norm_eval', False) == gentle
    loader = cfg.train_dataloader
    assert cfg.train_cfg.max_epochs == cfg.param_scheduler[0].T_max == epochs
    assert loader.sampler.updates == updates
    batch_size = 16 if gentle else 32
    assert loader.sampler.batch_size == loader.batch_size == batch_size
    side = 128 if said['size'] else 256
    data_sets = [cfg[f'{p}_dataloader'].dataset for p in _PARTS]
    sizes = {
        step.input_size
        for data_set in data_sets
        for outer in data_set.pipeline
        for step in outer.get('transforms', [outer])
        if step.type in ('mmcvgssl.LoadImage', 'mmcvgssl.SquareResize')
    }
    assert sizes == {side} == {cfg.input_size}
    assert len({data_set.data_root for data_set in data_sets}) == 1


_PARTS = ('train', 'fit', 'test')


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_a_recipe_steps_fits_and_tests(path, roots):
    check_recipe(path, roots[path.stem.rpartition('_')[2]])


@pytest.mark.parametrize(
    'name', ['cutpaste-3way_resnet18_cpu_folder', 'untrained_lite0_folder']
)
@pytest.mark.parametrize('data', ['mvtec', 'magnetic_tile'])
def test_a_recipe_with_a_data_set_does_too(name, data, roots, tmp_path):
    path = with_data_set(FOLDER / f'{name}.py', data, tmp_path)
    check_recipe(path, roots[data])


def check_recipe(path, root) -> None:
    cfg = small(path, root)
    check_config(cfg)
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    if cfg.get('detector'):
        step(cfg)
    detector = MODELS.build(detector_config(cfg, None))
    detector.fit(batches(cfg.fit_dataloader))
    for batch in batches(cfg.test_dataloader):
        for sample in detector.test_step(batch):
            assert torch.isfinite(sample.anomaly_map).all()
            assert torch.isfinite(sample.anomaly_score)
    assert detector.threshold > 0


def step(cfg) -> None:
    """Take a step and look at what it changed."""
    config = cfg.model.to_dict()
    config['data_preprocessor'] = cfg.data_preprocessor.to_dict()
    model = MODELS.build(config)
    model.init_weights()
    model.train()
    assert isinstance(model, CutPasteClassifier)
    loaded = batches(cfg.train_dataloader)
    assert len(loaded) == 2
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    optim = build_optim_wrapper(model, cfg.optim_wrapper.to_dict())
    # residual branches that start from zero learn from the second step on
    for batch in loaded:
        logged = model.train_step(batch, optim)
        assert torch.isfinite(logged['loss'])
    has_block = any(isinstance(m, SSPCAB) for m in model.modules())
    assert ('loss_sspcab' in logged) == has_block
    still = [k for k, p in model.named_parameters() if p.equal(before[k])]
    assert not still
    for hook in cfg.custom_hooks:
        if hook.type == 'mmcvgssl.UnfreezeHook':
            keep = HOOKS.build(hook.to_dict())
            assert isinstance(keep, UnfreezeHook)
            for name in keep.keep:
                assert isinstance(model.get_submodule(name), SSPCAB)


def test_options_reach_all_data_sets(roots):
    path = FOLDER / 'cutpaste-3way_resnet18_mvtec.py'
    cfg = load_config(path, {'category': 'nut', 'data_root': 'here'})
    for part in _PARTS:
        data_set = cfg[f'{part}_dataloader'].dataset
        assert (data_set.category, data_set.data_root) == ('nut', 'here')


def sampler(root, updates=4, batch_size=8, repeat=10) -> UpdateSampler:
    data_set = OneClassDataset(
        str(root), layout='mvtec', repeat=repeat, pipeline=[]
    )
    return UpdateSampler(data_set, updates, batch_size, seed=3)


def test_an_epoch_is_a_number_of_updates(roots):
    made = sampler(roots['mvtec'])
    first = list(made)
    assert len(made) == len(first) == len(set(first)) == 32
    counts = torch.bincount(torch.tensor(first) % 10)
    assert counts.min() >= 3
    assert counts.max() <= 4
    assert sorted(i % 10 for i in first[:10]) == list(range(10))
    assert list(made) == first
    made.set_epoch(1)
    assert list(made) != first


def test_processes_share_an_epoch(roots, monkeypatch):
    parts = []
    for rank in range(2):
        monkeypatch.setattr(
            'mmcvgssl.datasets.update_sampler.get_dist_info',
            lambda rank=rank: (rank, 2),
        )
        parts.append(list(sampler(roots['mvtec'])))
    assert [len(part) for part in parts] == [32, 32]
    both = [i for pair in zip(*parts, strict=True) for i in pair]
    assert sorted(both[:10]) == list(range(10))
    assert len(set(both)) == 64


def test_too_few_passes_are_refused(roots):
    with pytest.raises(ValueError, match=r'dataset\.repeat=4'):
        sampler(roots['mvtec'], repeat=3)
    with pytest.raises(ValueError, match='1 or more'):
        sampler(roots['mvtec'], updates=0)


@pytest.mark.parametrize('world', [1, 2])
def test_a_pass_over_plain_images_goes_on_from_epoch_to_epoch(
    monkeypatch, world
):
    seen = []
    for epoch in range(5):
        for rank in range(world):
            monkeypatch.setattr(
                'mmcvgssl.datasets.update_sampler.get_dist_info',
                lambda rank=rank: (rank, world),
            )
            made = UpdateSampler(range(10), 2 // world, 2, seed=3)
            made.set_epoch(epoch)
            own = list(made)
            assert len(own) == len(made) == 4 // world
            seen += own
    # two passes, each image once in either
    assert sorted(seen) == sorted([*range(10)] * 2)
    assert {*seen[: 10 - 10 % 4]} < {*range(10)}
    assert len({*seen[: 10 - 10 % 4]}) == 8
