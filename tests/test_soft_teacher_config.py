"""SoftTeacher by config: a mean teacher boxes images without labels."""

import uuid

import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner

from mmcvgssl.apis import build_runner, check_before_training, load_config
from tests.boxes import small_loaders, write_boxes, write_surfaces
from tests.data import CONFIGS

pytestmark = pytest.mark.usefixtures('quick_configs')

RECIPES = sorted((CONFIGS / 'detection/soft_teacher').glob('*.py'))
PLAIN = CONFIGS / 'detection/faster_rcnn/faster-rcnn_r18_1xb8-100e_neu-det.py'
NAMES = load_config(PLAIN).classes


@pytest.fixture(scope='module')
def surfaces(tmp_path_factory):
    root = write_surfaces(tmp_path_factory.mktemp('surfaces'))
    write_boxes(root / 'mmcvgssl/train_10pct.json', NAMES, count=3)
    for part in ('train', 'test'):
        write_boxes(root / f'mmcvgssl/{part}.json', NAMES)
    return root


def resize_to(node, size) -> None:
    """Let every pipeline resize images to a size."""
    for inner in node.values() if isinstance(node, dict) else node:
        if isinstance(inner, dict) and inner.get('type') == 'Resize':
            inner['scale'] = size
        elif isinstance(inner, (dict, list, tuple)):
            resize_to(inner, size)


def recipe(path, surfaces, work_dir, iters=2, **more) -> Config:
    cfg = load_config(path, {'data_root': str(surfaces)})
    for part in ('val', 'test'):
        small_loaders(
            Config({f'{part}_dataloader': cfg[f'{part}_dataloader']})
        )
    resize_to(cfg._cfg_dict, (64, 64))
    inner = cfg.model.detector
    inner.roi_head.bbox_head.fc_out_channels = 32
    inner.train_cfg.rpn_proposal.max_per_img = 20
    cfg.merge_from_dict(
        {
            'work_dir': str(work_dir),
            'experiment_name': uuid.uuid4().hex,
            'train_cfg.max_iters': iters,
            'train_cfg.val_interval': 10,
            'train_dataloader.batch_size': 4,
            'train_dataloader.num_workers': 0,
            'train_dataloader.persistent_workers': False,
            'train_dataloader.sampler.batch_size': 4,
            'default_hooks.checkpoint.interval': 2,
            **more,
        }
    )
    return cfg


def train(cfg: Config) -> Runner:
    runner = build_runner(cfg)
    check_before_training(runner)
    runner.train()
    return runner


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_a_student_and_its_teacher_train_resume_and_are_tested(
    path, surfaces, tmp_path
):
    first = train(recipe(path, surfaces, tmp_path))
    student, teacher = first.model.student, first.model.teacher
    assert not teacher.training
    assert not any(p.requires_grad for p in teacher.parameters())
    pairs = zip(
        student.state_dict().items(),
        teacher.state_dict().values(),
        strict=True,
    )
    apart = {key for (key, a), b in pairs if not torch.equal(a, b)}
    assert any(key.startswith('backbone') for key in apart)
    # statistics of batch norm follow the student's, too
    mean = teacher.backbone.bn1.running_mean
    assert not torch.equal(mean, torch.zeros_like(mean))

    resumed = train(recipe(path, surfaces, tmp_path, iters=4, resume=True))
    assert resumed.iter == 4
    file = str(tmp_path / 'iter_4.pth')
    tested = build_runner(
        recipe(path, surfaces, tmp_path, load_from=file)
    ).test()
    assert 'coco/bbox_mAP_50' in tested


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_student_and_teacher_start_from_a_pretrained_backbone(
    path, surfaces, tmp_path
):
    other = recipe(path, surfaces, tmp_path, **{'randomness.seed': 1})
    start = build_runner(other).model.student.backbone.state_dict()
    torch.save({'state_dict': start}, tmp_path / 'backbone.pth')
    cfg = recipe(
        path,
        surfaces,
        tmp_path,
        backbone_checkpoint=str(tmp_path / 'backbone.pth'),
    )
    cfg.optim_wrapper.optimizer.lr = 0.0
    model = train(cfg).model
    for part in (model.student, model.teacher):
        torch.testing.assert_close(
            part.backbone.conv1.weight.data, start['conv1.weight']
        )


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_stages_of_random_weights_are_not_frozen(path, surfaces, tmp_path):
    cfg = recipe(path, surfaces, tmp_path)
    cfg.model.detector.backbone.frozen_stages = 2
    with pytest.raises(ValueError, match='would freeze random weights'):
        build_runner(cfg)


def test_boxes_of_unlabelled_images_are_not_read(surfaces, tmp_path):
    runner = build_runner(recipe(RECIPES[0], surfaces, tmp_path))
    labelled, others = runner.train_dataloader.dataset.datasets
    assert (len(labelled), len(others)) == (3, 6)
    sample = others[0]['data_samples']['unsup_teacher']
    assert len(sample.gt_instances) == 0
    assert len(labelled[0]['data_samples']['sup'].gt_instances) == 1
