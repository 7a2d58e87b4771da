"""Recipes of anomaly-map pretraining: found by glob, built and stepped."""

import re

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from mmcvgssl.apis import load_config
from mmcvgssl.registry import MODELS
from tests.boxes import NARROW_SWIN, small_loaders, write_surfaces
from tests.data import CONFIGS, with_data_set

RECIPES = sorted((CONFIGS / 'pretrain/agbp').glob('*.py'))
NAME = re.compile(
    r'(?P<cvgssl>cvgssl-)?agbp_'
    r'(?P<backbone>csp-[ns]|cspnext-tiny|cspnext-s|lite0|resnet\d+|swin-b'
    r'|swin-b-simmim)(_lite0)?'
    r'_(?P<gpus>\d+)xb(?P<batch>\d+)-(?P<epochs>\d+)e_(?P<data>folder)'
)
# backbone: type, levels, what freezes the first two or one stages, optimiser
TABLE = {
    'csp-s': ('mmyolo.YOLOv8CSPDarknet', (3, 4), 2, 'SGD', 0.01, 1024),
    'resnet50': ('mmpretrain.ResNet', (2, 3), 2, 'SGD', 0.01, 1024),
    'swin-b': ('mmpretrain.SwinTransformer', (2, 3), 1, 'AdamW', 1e-3, 1024),
    'swin-b-simmim': (
        'mmpretrain.SimMIMSwinTransformer',
        *((3,), 1, 'AdamW', 1e-4 * 448 / 512, 448),
    ),
}
CPU = ('csp-n', 'csp-s', 'cspnext-tiny', 'lite0', 'resnet18')
STEPS = {200: [60, 90, 180], 100: [80]}


@pytest.fixture(scope='module')
def surfaces(tmp_path_factory):
    return write_surfaces(tmp_path_factory.mktemp('surfaces'))


def said_by(path):
    said = NAME.fullmatch(path.stem)
    assert said, f'{path.stem} does not follow the pattern of names'
    return said


def test_every_row_of_the_table_has_a_recipe_and_cpus_have_some():
    found = {(said_by(p)['backbone'], said_by(p)['data']) for p in RECIPES}
    assert found >= {(backbone, 'folder') for backbone in TABLE}
    assert found >= {(b, 'folder') for b in CPU}


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_a_recipe_is_what_its_name_says(path):
    cfg, said = load_config(path), said_by(path)
    epochs = int(said['epochs'])
    assert cfg.train_dataloader.batch_size == int(said['batch'])
    batch = int(said['batch']) * int(said['gpus'])
    assert cfg.auto_scale_lr.base_batch_size == batch
    assert cfg.train_cfg.max_epochs == epochs
    assert cfg.param_scheduler[-1].get('end', epochs) == epochs
    assert cfg.data_root is None
    assert cfg.maps == ''
    if int(said['gpus']) == 1:  # for CPUs
        # what has been learnt is kept
        learnt = 'weights' in cfg.model.backbone
        assert learnt == (said['backbone'] == 'lite0')
        assert cfg.model.backbone.frozen_stages == (1 if learnt else -1)
        return
    kind, levels, frozen, optimiser, lr, total = TABLE[said['backbone']]
    backbone = cfg.model.backbone
    assert (backbone.type, backbone.out_indices) == (kind, levels)
    assert backbone.frozen_stages == frozen
    chosen = cfg.optim_wrapper.optimizer
    assert (chosen.type, batch) == (optimiser, total)
    assert chosen.lr == pytest.approx(lr)
    assert cfg.param_scheduler[-1].milestones == STEPS[epochs]
    if 'swin' in said['backbone']:
        assert backbone.norm_cfg is None


def narrow(cfg) -> None:
    """Keep the architecture and make it small."""
    backbone = cfg.model.backbone
    if 'Swin' in backbone.type:
        backbone.arch = NARROW_SWIN
        width = 8 * NARROW_SWIN['embed_dims']
    elif backbone.type.endswith('ResNet') and backbone.depth == 50:
        backbone.update(stem_channels=8, base_channels=8)
        width = 256
    else:
        return
    if 'SimMIM' in cfg.model.type:
        cfg.model.neck.in_channels = width
    elif cfg.model.get('head'):
        cfg.model.head.in_channels = width


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_a_recipe_builds_and_steps(path, surfaces):
    check_recipe(path, path, surfaces)


def test_a_recipe_with_a_data_set_does_too(surfaces, tmp_path):
    recipe = CONFIGS / 'pretrain/agbp/agbp_csp-n_1xb32-30e_folder.py'
    path = with_data_set(recipe, 'neu_det_unlabelled', tmp_path)
    check_recipe(path, recipe, surfaces)


def check_recipe(own, path, surfaces) -> None:
    """Build a config, of a recipe, and take a step."""
    small = int(said_by(path)['gpus']) == 1
    labelled = not small and 'simmim' not in path.stem
    options = {'data_root': str(surfaces), 'maps': str(surfaces / 'maps')}
    if labelled:
        options['ann_file'] = 'train.txt'
    cfg = load_config(own, options)
    small_loaders(cfg)
    narrow(cfg)
    batch = next(
        iter(Runner.build_dataloader(cfg.train_dataloader.to_dict(), seed=0))
    )
    side = cfg.crop_size
    sample = batch['data_samples'][0]
    assert sample.anomaly_map.shape == (1, side, side)

    torch.manual_seed(0)
    config = cfg.model.to_dict()
    config.setdefault('data_preprocessor', cfg.get('data_preprocessor'))
    model = MODELS.build(config)
    model.init_weights()
    model.train()
    optim = build_optim_wrapper(model, cfg.optim_wrapper.to_dict())
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    logged = model.train_step(batch, optim)
    assert torch.isfinite(logged['loss'])
    terms = {'loss_anomaly'}
    if labelled:
        terms.add('loss_cls')
    if 'simmim' in path.stem:
        terms.add('loss_reconstruction')
    if said_by(path)['cvgssl']:
        terms.add('loss_regression')
    assert {k for k in logged if k.startswith('loss_')} == terms

    named = list(model.named_parameters())
    moved = {k for k, p in named if not torch.equal(p, before[k])}
    frozen = {k for k, p in named if not p.requires_grad}
    assert not moved & frozen
    assert bool(frozen) == (cfg.model.backbone.frozen_stages >= 0)
    # a block starts as the identity of a ResNet: its inner part learns later
    assert len(moved) > 0.5 * (len(named) - len(frozen))
    late = re.compile(r'backbone\.(layer|stage\D*|timm\S*)[346]')
    last = [k for k in moved if late.match(k)]
    assert last
