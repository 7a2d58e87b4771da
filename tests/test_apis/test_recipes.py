"""Recipes of the package are found by name."""

import pytest

from mmcvgssl.apis import get_config, list_models, load_config
from tests.data import CONFIGS

LEAVES = [p for p in CONFIGS.rglob('*.py') if '_base_' not in p.parts]


def test_all_recipes_are_listed_once():
    assert list_models() == sorted(path.stem for path in LEAVES)
    assert len(set(list_models())) == len(LEAVES)


@pytest.mark.parametrize(
    ('pattern', 'kinds'),
    [
        ('anomaly/*', {'anomaly'}),
        ('detection/yolov8/*', {'detection'}),
        ('agdp_*', {'pretrain'}),
        ('*lite0*', {'anomaly', 'pretrain'}),
        ('nothing*', set()),
    ],
)
def test_patterns_choose_recipes(pattern, kinds):
    names = {*list_models(pattern)}
    found = [path for path in LEAVES if path.stem in names]
    assert {path.relative_to(CONFIGS).parts[0] for path in found} >= kinds
    assert bool(found) == bool(kinds)
    assert len(found) == len(names) < len(LEAVES)


def test_a_recipe_is_that_of_its_file():
    name = 'yolov8_n_1xb16-300e_coco-format'
    (path,) = (p for p in LEAVES if p.stem == name)
    assert get_config(name).to_dict() == load_config(path).to_dict()
    cfg = get_config('patchcore_lite0_folder', {'input_size': 96})
    assert cfg.fit_dataloader.dataset.pipeline[0].input_size == 96


def test_a_name_that_is_none_gets_similar_ones():
    with pytest.raises(KeyError, match='mean patchcore_lite0_folder'):
        get_config('patchcore_lite0_foldr')
    with pytest.raises(KeyError, match=r'list_models\(\)'):
        get_config('')
