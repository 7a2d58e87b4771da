"""Configs: inheritance, overrides and mistakes in them."""

import pytest
from mmengine.config import Config

from mmcvgssl.apis import config as module
from mmcvgssl.apis import default_work_dir, load_config, use_amp
from tests.data import CONFIGS

FOLDER = CONFIGS / 'pretrain/cvgssl/cvgssl_resnet18_lite0_1xb64-300e_folder.py'


def test_data_root_reaches_every_place_that_repeats_it(tmp_path):
    cfg = load_config(FOLDER, {'data_root': str(tmp_path)})
    assert cfg.data_root == str(tmp_path)
    for data_set in (
        cfg.train_dataloader.dataset,
        cfg.few_shot.train,
        cfg.few_shot.test,
    ):
        assert data_set.data_root == str(tmp_path)


def test_lists_in_lists_are_reached():
    cfg = load_config(FOLDER, {'view_size': 96, 'split_dir': 'elsewhere'})
    crop = cfg.train_dataloader.dataset.pipeline[1]
    assert crop.view_size == cfg.few_shot.view_size == 96
    assert cfg.few_shot.test.split_dir == 'elsewhere'
    assert 'split_dir' not in cfg.train_dataloader.dataset


def test_other_values_of_the_same_name_stay(tmp_path):
    file = tmp_path / 'own.py'
    file.write_text(
        "data_root = 'a'\nfew_shot = dict(train=dict(data_root='a'), "
        "test=dict(data_root='b'))\n"
    )
    cfg = load_config(file, {'data_root': 'c'})
    assert cfg.few_shot.to_dict() == {
        'train': {'data_root': 'c'},
        'test': {'data_root': 'b'},
    }
    both = {'data_root': 'c', 'few_shot.test.data_root': 'd'}
    assert load_config(file, both).few_shot.test.data_root == 'd'


def test_without_options_a_file_stays_as_it_is():
    assert load_config(FOLDER).to_dict() == Config.fromfile(FOLDER).to_dict()


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('data_rot', r"'data_rot'; did you mean data_root"),
        ('modle.mixup', r"'modle'; did you mean model"),
        ('xyzzy', r"has no option 'xyzzy'\"?$"),
    ],
)
def test_unknown_options_are_named_with_a_guess(option, message):
    with pytest.raises(KeyError, match=message):
        load_config(FOLDER, {option: 1})


def test_settings_of_the_runner_need_no_default():
    cfg = load_config(FOLDER, {'work_dir': 'w', 'auto_scale_lr.enable': True})
    assert cfg.work_dir == 'w'
    assert cfg.auto_scale_lr.base_batch_size == 64


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no config file .*gone\.py'):
        load_config(tmp_path / 'gone.py')


@pytest.mark.parametrize(
    'text', ["_base_ = 'mmyolo::x.py'\n", "m = dict(type='mmyolo.Y')\n"]
)
def test_a_missing_host_is_named_before_the_config_is_read(
    tmp_path, monkeypatch, text
):
    file = tmp_path / 'yolo.py'
    file.write_text(text)
    asked = []

    def require(package):
        asked.append(package)
        raise ImportError(f'{package} is missing')

    monkeypatch.setattr(module, 'require', require)
    with pytest.raises(ImportError, match='mmyolo is missing'):
        load_config(file)
    assert asked == ['mmyolo']


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        ('a = 1\n'.encode('utf-8-sig'), 'without a byte order mark'),
        ('a = 1\n'.encode('utf-16'), 'expected a config in UTF-8'),
        ('# größe\n'.encode('cp1252'), 'expected a config in UTF-8'),
        (b'a = (\n', 'expected a config in Python'),
    ],
)
def test_a_file_that_is_no_config_is_named(tmp_path, data, message):
    file = tmp_path / 'own.py'
    file.write_bytes(data)
    with pytest.raises(ValueError, match=message) as caught:
        load_config(file)
    assert str(file) in str(caught.value)


def test_a_data_set_of_ones_own_takes_few_lines(tmp_path):
    file = tmp_path / 'own.py'
    text = f"""_base_ = {str(FOLDER)!r}
data_root = 'my/images'
train_dataloader = dict(dataset=dict(data_root=data_root))
few_shot = dict(train=dict(data_root=data_root))
"""
    assert len(text.splitlines()) <= 5
    file.write_text(text)
    cfg, base = load_config(file), load_config(FOLDER)
    assert cfg.train_dataloader.dataset.data_root == 'my/images'
    assert cfg.model.to_dict() == base.model.to_dict()
    assert cfg.optim_wrapper.to_dict() == base.optim_wrapper.to_dict()
    got, old = cfg.train_dataloader, base.train_dataloader
    assert got.dataset.pipeline == old.dataset.pipeline


@pytest.mark.parametrize(
    ('cuda', 'before', 'after'),
    [
        (False, 'OptimWrapper', 'mmcvgssl.AutocastOptimWrapper'),
        (True, 'OptimWrapper', 'AmpOptimWrapper'),
        (True, None, 'AmpOptimWrapper'),
        *[(c, 'mmcvgssl.AutocastOptimWrapper', None) for c in (True, False)],
    ],
)
def test_mixed_precision_suits_the_device(monkeypatch, cuda, before, after):
    monkeypatch.setattr('torch.cuda.is_available', lambda: cuda)
    wrapper = {'enabled': False} if after is None else {}
    if before:
        wrapper['type'] = before
    cfg = Config({'optim_wrapper': wrapper})
    use_amp(cfg)
    assert cfg.optim_wrapper.type == (after or before)
    assert 'enabled' not in cfg.optim_wrapper
    scale = cfg.optim_wrapper.get('loss_scale')
    assert scale == ('dynamic' if after == 'AmpOptimWrapper' else None)


def test_runs_go_to_a_folder_named_after_the_config():
    assert default_work_dir('configs/a/b_c.py') == 'work_dirs/b_c'


@pytest.mark.parametrize('place', ['here', 'base'])
def test_a_config_in_yaml_runs_no_code(tmp_path, place):
    mark, file = tmp_path / 'called', tmp_path / 'own.yaml'
    code = f"a: !!python/object/apply:os.mkdir ['{mark}']\n"
    file.write_text(code)
    if place == 'base':
        (tmp_path / 'base.yml').write_text(code)
        file.write_text('_base_: base.yml\nb: 1\n')
    with pytest.raises(ValueError, match='expected plain values in YAML'):
        load_config(file)
    assert not mark.exists()
    file.write_text('a: {b: 1}\n')
    assert load_config(file).a.b == 1
