"""Every recipe takes every data set of its kind, in two lines."""

import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmcvgssl.apis import load_config
from mmcvgssl.registry import DATASETS
from tests.data import CONFIGS, with_data_set

DATA_SETS = CONFIGS / '_base_/datasets'
# kind: folders of the recipes, data sets
KINDS = {
    'views': (
        ['pretrain/cvgssl', 'pretrain/simclr'],
        ['elpv', 'mvtec_few_labels', 'neu_cls', 'x_sdd'],
    ),
    'maps': (
        ['pretrain/agbp'],
        ['magnetic_tile_unlabelled', 'neu_det_unlabelled'],
    ),
    'one-class': (
        [
            f'anomaly/{name}'
            for name in (
                *('cutpaste', 'kead', 'mahalanobis_ad', 'map_ensemble'),
                *('musc', 'padim', 'patchcore'),
            )
        ],
        ['magnetic_tile', 'mvtec'],
    ),
}


def recipes(folders: list[str]) -> list[Path]:
    """Return the recipes without a data set."""
    return [
        path
        for folder in folders
        for path in sorted((CONFIGS / folder).glob('*_folder.py'))
    ]


def data_sets_of(cfg: Config) -> dict[str, dict]:
    """Return what a config reads, by part."""
    found = {
        key.removesuffix('_dataloader'): cfg[key].dataset.to_dict()
        for key in cfg
        if key.endswith('_dataloader')
    }
    for part in ('train', 'test'):
        if 'few_shot' in cfg:
            found[f'few_shot.{part}'] = cfg.few_shot[part].to_dict()
    return found


def test_every_folder_and_data_set_is_of_a_kind():
    folders = {folder for each, _ in KINDS.values() for folder in each}
    leaves = [
        path
        for part in ('pretrain', 'anomaly')
        for path in (CONFIGS / part).rglob('*.py')
        if path.parent.name != 'agdp'
    ]
    found = {p.parent.relative_to(CONFIGS).as_posix() for p in leaves}
    assert found == folders
    known = {name for _, names in KINDS.values() for name in names}
    detection = {p.stem for p in DATA_SETS.glob('*.py')} - known
    for name in detection:
        assert 'data_set' in Config.fromfile(DATA_SETS / f'{name}.py')


@pytest.mark.parametrize('kind', KINDS)
def test_every_recipe_takes_every_data_set(kind, tmp_path, quick_configs):
    folders, names = KINDS[kind]
    found = recipes(folders)
    assert found
    for name in names:
        given = Config.fromfile(DATA_SETS / f'{name}.py').to_dict()
        for recipe in found:
            cfg = load_config(with_data_set(recipe, name, tmp_path))
            assert '${' not in str(cfg.to_dict())
            own = load_config(recipe)
            assert {k: cfg[k] for k in given} == given
            same = {k for k in own if cfg[k] == own[k]}
            assert {'model', 'optim_wrapper', 'param_scheduler'} & {
                *own
            } <= same
            check_data_sets(data_sets_of(cfg), given)
            if 'view_size' in given:
                assert cfg.few_shot.view_size == given['view_size']


def check_data_sets(parts: dict[str, dict], given: dict) -> None:
    """Compare what is read with the data set that was given."""
    for part, data_set in parts.items():
        for key in ('data_root', 'layout', 'category'):
            if key in given:
                assert data_set.get(key, given[key]) == given[key]
        assert data_set['data_root'] == given['data_root']
        if part in ('train', 'fit'):
            assert data_set['ann_file'] == given.get('ann_file', '')
        for step in data_set.get('pipeline', []):
            if step['type'] == 'mmcvgssl.MultiCrop':
                size = given.get('view_size', 224)
                assert step['view_size'] == size
    for part in ('train', 'fit'):
        if 'leave_out' in parts.get(part, {}):
            expected = given.get('leave_out', 'test.txt')
            assert parts[part]['leave_out'] == expected
    if 'val' in parts:
        assert parts['val']['ann_file'] == given['val_ann_file'] == 'test.txt'
        assert parts['val']['with_label'] is True
    if 'few_shot.test' not in parts and 'test' in parts:
        expected = given.get('test_ann_file', 'test.txt')
        assert parts['test']['ann_file'] == expected


@pytest.mark.parametrize('kind', KINDS)
def test_a_recipe_without_a_data_set_asks_for_one(kind, quick_configs):
    for recipe in recipes(KINDS[kind][0]):
        cfg = load_config(recipe, {'maps': 'maps'} if kind == 'maps' else {})
        init_default_scope(cfg.default_scope)
        for data_set in data_sets_of(cfg).values():
            with pytest.raises(ValueError, match='data_root=DIR'):
                DATASETS.build({**data_set, 'pipeline': []})


def test_maps_are_asked_for():
    recipe = CONFIGS / 'pretrain/agbp/agbp_csp-n_1xb32-30e_folder.py'
    cfg = load_config(recipe, {'data_root': '.'})
    init_default_scope(cfg.default_scope)
    with pytest.raises(ValueError, match='maps=DIR'):
        DATASETS.build({**cfg.train_dataloader.dataset, 'pipeline': []})


@pytest.mark.parametrize('kind', KINDS)
def test_mmengine_alone_reads_the_same_values(kind, tmp_path):
    folders, names = KINDS[kind]
    for recipe in recipes(folders):
        path = with_data_set(recipe, names[0], tmp_path)
        alone = Config.fromfile(path).to_dict()
        assert '${' not in str(alone)
        ours = load_config(path).to_dict()
        for key in ('train_dataloader', 'fit_dataloader', 'model'):
            assert flat(alone.get(key)) == flat(ours.get(key))


def flat(node: object) -> object:
    """Drop what load_config settles besides: workers, noted scopes."""
    if isinstance(node, dict):
        away = ('_scope_', 'num_workers', 'persistent_workers')
        return {k: flat(v) for k, v in node.items() if k not in away}
    if isinstance(node, (list, tuple)):
        return [flat(item) for item in node]
    return node


def test_mmengine_alone_leaves_what_nothing_sets():
    cfg = Config.fromfile(CONFIGS / '_base_/detectors/faster-rcnn_r50.py')
    assert cfg.train_dataloader.dataset.data_root.startswith('${')
    init_default_scope(cfg.default_scope)
    with pytest.raises(FileNotFoundError, match='data_root'):
        DATASETS.build(cfg.train_dataloader.dataset)


def test_other_configs_are_as_they_are(tmp_path):
    text = "root = 'a'\nshell = '${root}'\n"
    (tmp_path / 'other.py').write_text(text)
    assert Config.fromfile(tmp_path / 'other.py').shell == '${root}'


def test_a_host_reads_values_without_importing_us_first(tmp_path):
    folders, names = KINDS['views']
    path = with_data_set(recipes(folders)[0], names[0], tmp_path)
    code = (
        'import sys; from mmengine.config import Config; '
        'assert "mmcvgssl" not in sys.modules; '
        f'cfg = Config.fromfile({str(path)!r}); '
        'print(cfg.train_dataloader.dataset.data_root)'
    )
    command = [sys.executable, '-c', code]
    made = subprocess.run(command, capture_output=True, text=True, check=True)
    assert made.stdout.split() == [f'data/{names[0]}']
