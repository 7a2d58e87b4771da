"""Every SimCLR recipe: found by glob, built, stepped, evaluated."""

import json
import re
import uuid

import numpy as np
import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from mmcvgssl.apis import build_runner, load_config
from mmcvgssl.engine.views_val_loop import ViewsValLoop
from mmcvgssl.evaluation.contrastive_accuracy import ContrastiveAccuracy
from mmcvgssl.registry import DATASETS, METRICS, MODELS
from tests.data import CLASSES, CONFIGS, picture, with_data_set

FOLDER = CONFIGS / 'pretrain/simclr'
RECIPES = sorted(FOLDER.glob('*.py'))
SIDE = 32
COUNT = 9
NAME = re.compile(
    r'simclr_(?P<backbone>resnet\d+|yolov8-s|lite0)_1xb(?P<batch>\d+)'
    r'-(?P<epochs>\d+)e_folder'
)
# of each backbone, made narrow: options and width
RESNET = {
    'model.backbone.stem_channels': 8,
    'model.backbone.base_channels': 8,
}
NARROW = {
    'resnet18': (RESNET, 64),
    'resnet50': (RESNET, 256),
    'yolov8-s': ({'model.backbone.widen_factor': 0.125}, 128),
    'lite0': ({}, 1280),
}
DATA = ['', 'mvtec_few_labels', 'x_sdd', 'neu_cls', 'elpv']
LISTS = {'train.txt', 'test.txt', 'train_unlabelled.txt'}


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    """Pictures of three classes and every list that a recipe reads."""
    root = tmp_path_factory.mktemp('images')
    (root / 'mmcvgssl').mkdir()
    for i in range(COUNT):
        picture(i, 60).save(root / f'{i}.png')
        picture(i + 300, 60).save(root / f'test_{i}.png')
    for name in LISTS:
        start = 'test_' if name == 'test.txt' else ''
        lines = [
            f'{start}{i}.png'
            + ('' if 'un' in name else f' {i % len(CLASSES)}')
            for i in range(COUNT)
        ]
        (root / 'mmcvgssl' / name).write_text('\n'.join(lines))
    return root


def small(path, images):
    """Load a recipe with a narrow backbone, for small pictures."""
    if 'yolov8' in path.stem:
        pytest.importorskip('mmyolo')
    narrow, width = NARROW[NAME.match(path.stem)['backbone']]
    cfg = load_config(
        path,
        {
            **narrow,
            'model.neck.in_channels': width,
            'model.neck.hid_channels': 16,
            'data_root': str(images),
            'view_size': SIDE,
        },
    )
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.update(batch_size=4, num_workers=0, persistent_workers=False)
    for data_set in (
        cfg.train_dataloader.dataset,
        cfg.val_dataloader.dataset,
        cfg.few_shot.train,
        cfg.few_shot.test,
    ):
        data_set.serialize_data = False  # it collects all garbage first
    return cfg


def test_there_are_recipes_for_each_backbone():
    made = {NAME.fullmatch(path.stem)['backbone'] for path in RECIPES}
    assert made == {*NARROW}


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_a_recipe_is_what_its_name_says(path):
    cfg, said = load_config(path), NAME.fullmatch(path.stem)
    backbone = cfg.model.backbone
    assert cfg.model.type == 'mmpretrain.SimCLR'
    if said['backbone'] == 'yolov8-s':
        assert backbone.type == 'mmyolo.YOLOv8CSPDarknet'
        assert (backbone.deepen_factor, backbone.widen_factor) == (0.33, 0.5)
    elif said['backbone'] == 'lite0':
        assert backbone.type == 'mmcvgssl.TimmBackbone'
        assert backbone.weights == 'package:efficientnet-lite0'
    else:
        assert backbone.type == 'mmpretrain.ResNet'
        assert f'resnet{backbone.depth}' == said['backbone']
    assert cfg.train_dataloader.batch_size == int(said['batch'])
    assert cfg.auto_scale_lr.base_batch_size == int(said['batch'])
    epochs = int(said['epochs'])
    warm_up, cosine = cfg.param_scheduler
    assert cfg.train_cfg.max_epochs == cosine.end == epochs
    assert warm_up.end == cosine.begin == epochs - cosine.T_max
    data_sets = [
        cfg.train_dataloader.dataset,
        cfg.val_dataloader.dataset,
        cfg.few_shot.train,
        cfg.few_shot.test,
    ]
    assert {d.data_root for d in data_sets} == {None}
    lists = [d.ann_file for d in data_sets]
    assert lists == ['', '', 'train.txt', 'test.txt']
    assert cfg.view_size == 224


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_a_recipe_builds_and_steps(path, images):
    cfg = small(path, images)
    batches = iter(
        Runner.build_dataloader(cfg.train_dataloader.to_dict(), seed=0)
    )
    torch.manual_seed(0)
    config = cfg.model.to_dict()
    config['data_preprocessor'] = cfg.data_preprocessor.to_dict()
    model = MODELS.build(config)
    model.init_weights()
    model.train()
    optim = build_optim_wrapper(model, cfg.optim_wrapper.to_dict())
    before = {k: p.detach().clone() for k, p in model.named_parameters()}
    # residual branches that start from zero learn from the second step on
    for batch in (next(batches), next(batches)):
        shapes = [tuple(view.shape) for view in batch['inputs']]
        assert shapes == [(4, 3, SIDE, SIDE)] * 2
        logged = model.train_step(batch, optim)
        assert set(logged) == {'loss'}
        assert torch.isfinite(logged['loss'])
    still = [
        name
        for name, value in model.named_parameters()
        if torch.equal(value, before[name])
    ]
    frozen = {k for k, p in model.named_parameters() if not p.requires_grad}
    assert {*still} == frozen
    assert bool(frozen) == ('lite0' in path.stem)
    evaluator = METRICS.build(cfg.val_evaluator.to_dict())
    assert isinstance(evaluator, ContrastiveAccuracy)
    for part in (cfg.few_shot.train, cfg.few_shot.test):
        labelled = DATASETS.build({**part.to_dict(), 'pipeline': []})
        labels = [int(i) for i in labelled.get_gt_labels()]
        assert labels == [i % len(CLASSES) for i in range(COUNT)]


@pytest.mark.parametrize('part', ['train', 'val'])
@pytest.mark.parametrize('data', DATA)
def test_two_views_differ_and_are_fixed_by_the_seed(
    images, data, part, tmp_path
):
    path = FOLDER / 'simclr_resnet18_1xb64-400e_folder.py'
    if data:
        path = with_data_set(path, data, tmp_path)
    cfg = small(path, images)[f'{part}_dataloader'].dataset
    lists = {'train': 'train_unlabelled.txt', 'val': 'test.txt'}
    assert cfg.ann_file == (lists[part] if data else '')

    def views(seed: int = 0, epoch: int = 0, order=1):
        data_set = DATASETS.build({**cfg.to_dict(), 'seed': seed})
        data_set.set_epoch(epoch)
        numbers = range(len(data_set))[::order]
        made = {i: torch.stack(data_set[i]['inputs']) for i in numbers}
        return torch.stack([made[i] for i in sorted(made)])

    count = COUNT if data else 2 * COUNT
    first = views()
    assert first.shape == (count, 2, 3, SIDE, SIDE)
    assert all((a != b).any() for a, b in first)
    # nobody else's numbers, nor the order, change them
    np.random.seed(7)
    torch.manual_seed(7)
    assert torch.equal(first, views(order=-1))
    for other in (views(seed=1), views(epoch=1)):
        assert all((a != b).any() for a, b in zip(first, other, strict=True))


def test_either_view_is_drawn_alike(images):
    cfg = small(RECIPES[0], images)
    crop = cfg.train_dataloader.dataset.pipeline[1]
    assert crop.weak_transforms == crop.crop_transforms
    assert [tuple(s) for s in crop.crop_scales] == [tuple(crop.weak_scale)]


def test_the_loss_is_that_of_the_method(images):
    cfg = small(RECIPES[0], images)
    torch.manual_seed(0)
    model = MODELS.build(cfg.model.to_dict()).train()
    views = [torch.randn(5, 3, SIDE, SIDE) for _ in range(2)]
    loss = model.loss(views, [])['loss']
    # image by image, as the host's model sees them
    rows = torch.stack(views, 1).flatten(0, 1)
    z = torch.nn.functional.normalize(model.neck(model.backbone(rows))[0])
    terms = []
    for i in range(10):
        exps = (z[i] @ z.T / cfg.model.head.temperature).exp()
        others = exps.sum() - exps[i]
        terms.append(-(exps[i ^ 1] / others).log())
    assert loss.item() == pytest.approx(sum(terms).item() / 10, rel=1e-4)


def test_weights_of_the_yolo_backbone_are_those_of_the_detector(images):
    cfg = small(FOLDER / 'simclr_yolov8-s_1xb64-400e_folder.py', images)
    assert cfg.data_preprocessor.std == [255.0] * 3
    single = MODELS.build(cfg.model.backbone.to_dict())
    cfg.model.backbone.pop('out_indices')
    levels = MODELS.build(cfg.model.backbone.to_dict())
    levels.load_state_dict(single.state_dict(), strict=True)
    view = torch.rand(2, 3, SIDE, SIDE)
    for backbone in (single, levels):
        backbone.eval()
    (last,), all_levels = single(view), levels(view)
    assert len(all_levels) == 3
    assert torch.equal(last, all_levels[-1])


@pytest.fixture(scope='module')
def recipe(tmp_path_factory, images):
    """Write a small recipe as users do, over a shipped one."""
    folder = tmp_path_factory.mktemp('recipe')
    path = folder / 'small.py'
    base = FOLDER / 'simclr_resnet18_1xb64-100e_folder.py'
    cfg = small(with_data_set(base, 'x_sdd', folder), images)
    cfg.param_scheduler = []
    cfg.train_cfg = dict(cfg.train_cfg, max_epochs=2, val_interval=2)
    cfg.default_hooks.checkpoint.interval = 1
    cfg.dump(path)
    return path


def test_a_run_logs_the_accuracy_and_its_weights_are_evaluated(
    recipe, fit, tool, tmp_path
):
    runner = fit(recipe, tmp_path / 'run')
    logs = list((tmp_path / 'run').glob('*/vis_data/scalars.json'))
    rows = [json.loads(line) for line in logs[0].read_text().splitlines()]
    (logged,) = (
        row['contrastive_accuracy']
        for row in rows
        if 'contrastive_accuracy' in row
    )
    loop, model = runner.val_loop, runner.model.eval()
    assert isinstance(loop, ViewsValLoop)
    found = 0
    with torch.no_grad():
        inputs = [loop.dataloader.dataset[i]['inputs'] for i in range(COUNT)]
        images = torch.stack([view for views in inputs for view in views])
        batch = {'inputs': [images], 'data_samples': []}
        (images,) = model.data_preprocessor(batch)['inputs']
        rows = model.neck(model.backbone(images))[0]
    for i, row in enumerate(rows):
        cosines = torch.cosine_similarity(row[None], rows)
        cosines[i] = -2
        found += int(cosines.argmax()) == i ^ 1
    assert logged == pytest.approx(found / len(rows))
    loop.fp16 = True
    assert abs(loop.run()['contrastive_accuracy'] - logged) < 0.5

    base = [recipe, '--checkpoint', tmp_path / 'run/epoch_2.pth']
    base += ['--shots', 2, '--runs', 1, '--cfg-options']
    for mode in ('probe', 'linear', 'finetune'):
        args = [*base, 'few_shot.schedule.epochs=1', '--mode', mode]
        out = tmp_path / mode
        code, text, err = tool('few_shot.py', *args, '--work-dir', out)
        assert code == 0, err
        assert '| accuracy, % | 2-shot |' in text
        content = json.loads((out / 'few_shot.json').read_text())
        assert content['mode'] == mode
        assert content['classes'] == [str(i) for i in range(len(CLASSES))]


def test_a_model_without_a_neck_is_refused(recipe, tmp_path):
    cfg = load_config(recipe, {'model.neck': None})
    cfg.work_dir, cfg.launcher = str(tmp_path), 'none'
    cfg.experiment_name = uuid.uuid4().hex
    runner = build_runner(cfg)
    with pytest.raises(TypeError, match='SimCLR has none; leave val_data'):
        runner.val()


def test_its_backbone_may_have_sspcab(recipe, tmp_path):
    cfg = load_config(recipe, {'train_cfg.max_epochs': 1})
    cfg.model.backbone = {
        'type': 'mmcvgssl.WithSSPCAB',
        'backbone': cfg.model.backbone,
        'layers': 'layer3.1.conv2',
    }
    cfg.work_dir, cfg.launcher = str(tmp_path), 'none'
    cfg.experiment_name = uuid.uuid4().hex
    for part in ('val_dataloader', 'val_cfg', 'val_evaluator'):
        cfg[part] = None
    runner = build_runner(cfg)
    runner.train()
    (file,) = tmp_path.glob('*/vis_data/scalars.json')
    last = json.loads(file.read_text().splitlines()[-1])
    assert last['loss_sspcab'] > 0
