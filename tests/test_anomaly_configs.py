"""Every shipped map generator: found by glob, fitted and tested on trees."""

import uuid

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mmcvgssl.apis import build_runner, load_config
from mmcvgssl.maps import resize_map
from mmcvgssl.models import anomaly
from mmcvgssl.models.anomaly import AnomalyModel, KeAD
from mmcvgssl.registry import MODELS
from tests.clips import make_clip, tokenize
from tests.data import CONFIGS, picture, with_data_set
from tests.test_evaluation.test_anomaly_curves import slow_aupro

RECIPES = [
    path
    for path in sorted((CONFIGS / 'anomaly').glob('[!_]*/*.py'))
    if path.parent.name != 'cutpaste'
]
GENERATORS = {
    'kead': 'KeAD',
    'patchcore': 'PatchCore',
    'mahalanobis-ad': 'MahalanobisAD',
    'padim': 'PaDiM',
    'map-ensemble': 'MapEnsemble',
    'musc': 'MuSc',
}
SIDE = 40


@MODELS.register_module(force=True)
class TinyKeAD(KeAD):
    """KeAD around a tiny random CLIP."""

    def __init__(self, **kwargs) -> None:
        super().__init__(clip=make_clip(4), tokenizer=tokenize, **kwargs)


def save(path, seed: int, spot: bool = False) -> None:
    """Write a picture, with a bright spot for a defect."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.asarray(picture(seed, SIDE)).copy()
    if spot:
        image[8:16, 20:30] = 255
    cv2.imwrite(str(path), image)


def save_mask(path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[8:16, 20:30] = 255
    cv2.imwrite(str(path), mask)


def mask_of(bad: bool) -> np.ndarray:
    """Return the mask of an image with or without the spot."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[8:16, 20:30] = bad
    return mask


@pytest.fixture(scope='module')
def roots(tmp_path_factory):
    """Make a tree in each layout that the recipes read."""
    root = tmp_path_factory.mktemp('trees')
    for i in range(6):
        save(root / f'folder/good/{i}.png', 3 * i)
        save(root / f'mvtec/bottle/train/good/{i}.png', 3 * i)
        save(root / f'magnetic_tile/MT_Free/Imgs/{i}.jpg', 3 * i)
    for i in range(2):
        save(root / f'folder/good/t{i}.png', 90 + 3 * i)
        save(root / f'folder/dent/{i}.png', 60 + 3 * i, spot=True)
        save(root / f'mvtec/bottle/test/good/{i}.png', 90 + 3 * i)
        save(root / f'mvtec/bottle/test/dent/{i}.png', 60 + 3 * i, spot=True)
        save_mask(root / f'mvtec/bottle/ground_truth/dent/{i}_mask.png')
        save(root / f'magnetic_tile/MT_Free/Imgs/t{i}.jpg', 90 + 3 * i)
        save(root / f'magnetic_tile/MT_Crack/Imgs/{i}.jpg', 60 + 3 * i, True)
        save_mask(root / f'magnetic_tile/MT_Crack/Imgs/{i}.png')
    for name, good, bad, end in (
        ('folder', 'good', 'dent', 'png'),
        ('magnetic_tile', 'MT_Free/Imgs', 'MT_Crack/Imgs', 'jpg'),
    ):
        lists = root / name / 'mmcvgssl'
        lists.mkdir()
        train = [f'{good}/{i}.{end} 0\n' for i in range(6)]
        test = [f'{good}/t{i}.{end} 0\n{bad}/{i}.{end} 1\n' for i in range(2)]
        (lists / 'train.txt').write_text(''.join(train))
        (lists / 'test.txt').write_text(''.join(test))
    return root


def test_there_are_recipes():
    assert len(RECIPES) >= 11


@pytest.mark.parametrize('path', RECIPES, ids=lambda p: p.stem)
def test_a_recipe_fits_and_tests(path, roots, tmp_path, kept_outputs):
    data = path.stem.rpartition('_')[2]
    check_recipe(path, path, data, roots, tmp_path, kept_outputs)


@pytest.mark.parametrize('data', ['mvtec', 'magnetic_tile'])
def test_a_recipe_with_a_data_set_does_too(
    data, roots, tmp_path, kept_outputs
):
    path = CONFIGS / 'anomaly/map_ensemble/map-ensemble_lite0_folder.py'
    own = with_data_set(path, data, tmp_path)
    check_recipe(own, path, data, roots, tmp_path, kept_outputs)


@pytest.mark.parametrize(
    'path',
    sorted((CONFIGS / 'anomaly').glob('[!_]*/*.py')),
    ids=lambda p: p.stem,
)
def test_the_size_of_images_reaches_all_that_use_it(path):
    cfg = load_config(path, {'data_root': '.', 'input_size': 544})
    teachers = sizes({'model': cfg.model, 'detector': cfg.get('detector')})
    # of an ensemble, the finest member sees images as they are loaded
    assert not teachers or max(teachers) == 544
    assert bool(teachers) == (path.parent.name != 'cutpaste')
    for name in ('train', 'fit', 'holdout', 'test'):
        if loader := cfg.get(f'{name}_dataloader'):
            assert sizes(loader) == {544}


def sizes(part) -> set[int]:
    """Return the values of `input_size` in a part of a config."""
    if isinstance(part, dict):
        own = {part['input_size']} if 'input_size' in part else set()
        return own.union(*map(sizes, part.values()))
    return set().union(*map(sizes, part)) if isinstance(part, list) else set()


def check_recipe(path, recipe, data, roots, tmp_path, kept_outputs) -> None:
    """Fit and test a config, of a recipe, on a tiny tree."""
    kind = recipe.stem.split('_')[0]
    assert recipe.parent.name == kind.replace('-', '_')
    root = roots / data.replace('-', '_')
    options = {'data_root': str(root), 'work_dir': str(tmp_path / 'work')}
    if data == 'mvtec':
        options['category'] = 'bottle'
    cfg = load_config(path, options)
    assert cfg.model.type == f'mmcvgssl.{GENERATORS[kind]}'
    if kind == 'kead':
        for key in ('model_name', 'pretrained', 'input_size', 'cache_dir'):
            cfg.model.pop(key)
        cfg.model.type = 'mmcvgssl.TinyKeAD'
        if data == 'folder':  # words of nothing in particular are none
            with pytest.raises(FileNotFoundError, match=r'model\.knowledge'):
                MODELS.build(cfg.model)
            cfg.model.knowledge = 'steel_strip'
        if data == 'mvtec':
            cfg.model.category = 'bottle'
    for part in cfg.model.get('members', [cfg.model]):
        if kind == 'kead':
            break
        part.teacher.update(
            type='mmcvgssl.TimmTeacher',
            model_name='test_efficientnet',
            weights=None,
            allow_random=True,
            input_size=32,
            levels=tuple(level - 2 for level in part.teacher.levels),
        )
    for loader in (cfg.fit_dataloader, cfg.test_dataloader):
        loader.update(num_workers=0, batch_size=3)
        loader.pop('persistent_workers', None)
    cfg.experiment_name, cfg.launcher = uuid.uuid4().hex, 'none'
    runner = build_runner(cfg)
    assert isinstance(runner.model, AnomalyModel)
    runner.register_hook(kept_outputs)
    metrics = runner.test()
    if kind != 'kead':  # any features show the spots, but not random words
        assert metrics['image_auroc'] == 1
    samples = kept_outputs.samples
    labels = [int(sample.gt_label) != 0 for sample in samples]
    assert sorted(labels) == [False, False, True, True]
    area = roc_auc_score(labels, [float(s.anomaly_score) for s in samples])
    assert metrics['image_auroc'] == pytest.approx(area)
    if data != 'folder':
        maps = [
            resize_map(s.anomaly_map.squeeze(), (SIDE, SIDE)).double().numpy()
            for s in samples
        ]
        masks = [mask_of(bad) for bad in labels]
        assert kind == 'kead' or metrics['pixel_auroc'] > 0.75
        expected = slow_aupro(maps, masks, 0.3)
        assert metrics['pixel_aupro'] == pytest.approx(expected, abs=1e-3)
    assert (
        runner.model.needs_fit
        == (tmp_path / 'work').joinpath('fitted.safetensors').is_file()
    )


def test_models_are_found_by_their_scope():
    for name in GENERATORS.values():
        assert MODELS.get(f'mmcvgssl.{name}') is getattr(anomaly, name)
