"""The option ``views``: where views are made."""

import numpy as np
import pytest
import torch

from mmcvgssl.apis import build_runner, load_config, run_training
from mmcvgssl.models import MappedViewPreprocessor, ViewsPreprocessor
from mmcvgssl.runner.views import plan_views
from tests.data import CONFIGS, tiny_config
from tests.one_class_data import narrow
from tests.surfaces import write_surfaces

CUTPASTE = CONFIGS / 'anomaly/cutpaste/cutpaste-3way_resnet18_folder.py'
AGBP = CONFIGS / 'pretrain/agbp/agbp_csp-n_1xb32-30e_folder.py'
SIMCLR = CONFIGS / 'pretrain/simclr/simclr_resnet18_1xb64-100e_folder.py'


def recipe(name: str, folder, **options):
    """A recipe that is trained on generated surfaces for one epoch."""
    images = write_surfaces(folder / 'images', count=4)
    if name == 'cvgssl':
        path = tiny_config(folder / 'configs', images, head=False)
    elif name == 'cutpaste':
        path = CUTPASTE
        options |= narrow() | {
            'model.in_channels': 32,
            'data_root': str(images),
            'ann_file': '',
            'good_names': '*',
            'input_size': 32,
            'batch_size': 2,
            'train_dataloader.num_workers': 0,
            'train_dataloader.sampler.updates': 2,
        }
    elif name == 'agbp':
        pytest.importorskip('mmyolo')
        for i, image in enumerate(sorted(images.glob('**/*.png'))):
            heat = np.zeros((4, 4), np.float16)
            heat[i % 4, 1:3] = 1
            target = folder / 'maps' / image.relative_to(images)
            target.parent.mkdir(parents=True, exist_ok=True)
            np.save(target.with_suffix('.npy'), heat)
        path = AGBP
        options |= {
            'data_root': str(images),
            'maps': str(folder / 'maps'),
            'crop_size': 64,
            'model.backbone.widen_factor': 0.125,
            'train_dataloader.batch_size': 2,
            'train_dataloader.num_workers': 0,
        }
    else:
        path = SIMCLR
        options |= narrow() | {
            'model.neck.in_channels': 32,
            'model.neck.hid_channels': 8,
            'data_root': str(images),
            'view_size': 32,
            'train_dataloader.batch_size': 4,
            'train_dataloader.num_workers': 0,
        }
    cfg = load_config(path, options | {'train_cfg.max_epochs': 1})
    cfg.work_dir = str(folder / 'out')
    return cfg


@pytest.mark.parametrize('name', ['cvgssl', 'simclr', 'cutpaste', 'agbp'])
def test_a_recipe_trains_on_views_of_the_device(name, tmp_path):
    cfg = recipe(name, tmp_path, views='device')
    before = [step.type for step in cfg.train_dataloader.dataset.pipeline]
    normalising = normalising_of(cfg)
    runner = run_training(cfg)
    assert runner.iter == (4 if name == 'agbp' else 2)
    kind = MappedViewPreprocessor if name == 'agbp' else ViewsPreprocessor
    assert isinstance(runner.model.data_preprocessor, kind)
    # what is written down goes on anywhere
    assert not any('Draw' in step for step in before)
    after = runner.cfg.train_dataloader.dataset.pipeline
    assert [step.type for step in after] == before
    assert normalising_of(runner.cfg) == normalising
    assert 'View' not in normalising


def normalising_of(cfg) -> str:
    return (cfg.model.get('data_preprocessor') or cfg.data_preprocessor).type


def both_ways(name: str, folder) -> list[tuple[dict, dict]]:
    """The batches of an epoch by workers, and those by the device."""
    made = {}
    for views in ('workers', 'device'):
        cfg = recipe(name, folder, views=views)
        cfg.work_dir = str(folder / views)
        runner = build_runner(cfg)
        made[views] = [
            runner.model.data_preprocessor(batch, True)
            for batch in runner.train_dataloader
        ]
    return list(zip(made['workers'], made['device'], strict=True))


@pytest.mark.parametrize(
    ('name', 'batch', 'std'), [('simclr', 4, 127.5), ('cutpaste', 2, 57.12)]
)
def test_both_ways_learn_from_the_same_views(name, batch, std, tmp_path):
    """The views of an epoch differ by rounding alone, and its order not."""
    for workers, device in both_ways(name, tmp_path):
        assert [s.img_path for s in workers['data_samples']] == [
            s.img_path for s in device['data_samples']
        ]
        for a, b in zip(workers['inputs'], device['inputs'], strict=True):
            assert a.shape == b.shape == (batch, 3, 32, 32)
            assert (a - b).abs().mean() < 2 / std
            assert a.std() > 0.1


def test_both_ways_learn_from_the_same_views_and_maps(tmp_path):
    for workers, device in both_ways('agbp', tmp_path):
        ours, theirs = device['inputs'], workers['inputs']
        assert ours.shape == theirs.shape == (2, 3, 64, 64)
        assert (ours - theirs).abs().mean() < 2 / 255
        assert theirs.std() > 0.05  # of values up to 1
        for a, b in zip(
            device['data_samples'], workers['data_samples'], strict=True
        ):
            assert a.img_path == b.img_path
            assert torch.equal(a.anomaly_map, b.anomaly_map)
            assert a.anomaly_map.shape == (1, 64, 64)


def test_masked_images_stay_with_the_workers():
    path = AGBP.parent / 'agbp_swin-b-simmim_8xb56-100e_folder.py'
    cfg = load_config(path, {'views': 'auto'})
    assert plan_views(cfg, cuda=True) is None
    with pytest.raises(ValueError, match=r'expected .* views=workers'):
        plan_views({**cfg, 'views': 'device'}, cuda=False)


def test_a_gpu_makes_them_if_asked(tmp_path):
    cfg = recipe('simclr', tmp_path)
    assert plan_views(cfg, cuda=True) is None
    auto = {**cfg, 'views': 'auto'}
    assert plan_views(auto, cuda=False) is None
    assert plan_views(auto, cuda=True) is not None


def test_what_a_gpu_cannot_make_stays_with_the_workers(tmp_path):
    cfg = recipe('simclr', tmp_path, views='auto')
    invert = dict(type='mmpretrain.Invert')
    for loader in (cfg.train_dataloader, cfg.val_dataloader):
        loader.dataset.pipeline[1].crop_transforms = [invert]
    assert plan_views(cfg, cuda=True) is None
    with pytest.raises(
        ValueError, match=r'Invert is not for .* views=workers'
    ):
        plan_views({**cfg, 'views': 'device'}, cuda=False)


def test_a_word_that_is_none_is_refused():
    with pytest.raises(ValueError, match="views='gpu': expected 'auto'"):
        plan_views({'views': 'gpu'}, cuda=torch.cuda.is_available())


def test_masks_of_pastes_stay_with_the_workers(tmp_path):
    cfg = recipe('cutpaste', tmp_path, views='auto')
    assert plan_views(cfg, cuda=True) is not None
    pack = cfg.train_dataloader.dataset.pipeline[-1]
    pack.algorithm_keys = ('view_labels', 'paste_masks')
    assert plan_views(cfg, cuda=True) is None
    with pytest.raises(ValueError, match='makes no paste_masks'):
        plan_views({**cfg, 'views': 'device'}, cuda=False)
