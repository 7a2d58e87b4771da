"""Configs: inheritance, overrides and mistakes in them."""

import pytest
from mmengine.config import Config

from mmcvgssl.apis import default_work_dir, load_config, use_amp
from mmcvgssl.registry import DATASETS
from mmcvgssl.runner import config as module
from mmcvgssl.runner.options import OptionText
from tests.data import CONFIGS

FOLDER = CONFIGS / 'pretrain/cvgssl/cvgssl_resnet18_lite0_1xb64-300e_folder.py'


def test_a_setting_reaches_all_that_refer_to_it(tmp_path):
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
    assert cfg.train_dataloader.dataset.split_dir == 'elsewhere'


def test_a_file_over_a_recipe_sets_what_an_option_sets(tmp_path):
    file = tmp_path / 'own.py'
    file.write_text(
        f"_base_ = {str(FOLDER)!r}\ndata_root = 'mine'\nview_size = 96\n"
    )
    options = {'data_root': 'mine', 'view_size': 96}
    assert (
        load_config(file).to_dict() == load_config(FOLDER, options).to_dict()
    )


@pytest.mark.parametrize(
    ('text', 'options', 'expected'),
    [
        # another value of the same name is no reference
        ("c = dict(k='x')", {'k': 'y'}, {'c': {'k': 'x'}, 'e': 'y'}),
        # nor is one that is the same by chance
        ("c = dict(k='a')", {'k': 'y'}, {'c': {'k': 'a'}, 'e': 'y'}),
        ("c = dict(k='${k}')", {'k': 'y'}, {'c': {'k': 'y'}}),
        # what is said of one key counts more than the setting
        ("c = dict(k='${k}')", {'k': 'y', 'c.k': 'z'}, {'c': {'k': 'z'}}),
        ("c = dict(k='${k}')", {'c.k': 'z'}, {'c': {'k': 'z'}, 'k': 'a'}),
        ("c = dict(k='${k}')", {'c.k': None}, {'c': {'k': None}, 'k': 'a'}),
        # of any type, in lists and tuples, as a part of a text
        ("n = [1, (2,)]; c = ['${n}']", {}, {'c': [[1, (2,)]]}),
        ("c = ('${k}', 3)", {'k': 'y'}, {'c': ('y', 3)}),
        ("c = '${k}/${k}.txt'", {'k': 'y'}, {'c': 'y/y.txt'}),
        ("n = 3; c = 'v${n}'", {}, {'c': 'v3'}),
        # nested settings, settings that refer to others, numbers of entries
        ("n = dict(a=dict(b=2)); c = '${n.a.b}'", {}, {'c': 2}),
        ("n = [dict(a=5)]; c = '${n.0.a}'", {}, {'c': 5}),
        ("n = '${k}'; c = '${n}'", {'k': 'y'}, {'c': 'y', 'n': 'y'}),
        ("n = '${k}'; c = '${n}'", {'n': 'y'}, {'c': 'y', 'k': 'a'}),
        ("m = '${n}'; n = dict(a=2); c = '${m.a}'", {}, {'c': 2}),
        ("n = ('p', 'q'); c = '${len:n}'", {}, {'c': 2}),
        ("n = ('p',); c = '${len:n}'", {'n': ('p', 'q', 'r')}, {'c': 3}),
        ("n = ('p',); c = '${len:n}'", {'c': 9}, {'c': 9}),
        # options for what is inside of a setting, here and there
        ("n = [dict(a=2)]; c = '${n}'", {'n.0.a': 3}, {'c': [{'a': 3}]}),
        (
            "n = [dict(a=2)]; c = '${n}'",
            {'c.0.a': 3},
            {'c': [{'a': 3}], 'n': [{'a': 2}]},
        ),
        ("c = dict(x='${k}')", {'k': 'a${b}c'}, {'c': {'x': 'a${b}c'}}),
        ("c = dict(x='${k}')", {'c.x': '${k}'}, {'c': {'x': '${k}'}}),
    ],
)
def test_references_are_what_they_refer_to(tmp_path, text, options, expected):
    file = tmp_path / 'own.py'
    file.write_text(f"k = 'a'\ne = '${{k}}'\n{text}\n")
    got = load_config(file, options).to_dict()
    assert {key: got[key] for key in expected} == expected


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        (
            "c = dict(k='${gone}')",
            r'^c\.k takes the value of gone, which the config does not have: '
            r'set gone, .* or set c\.k itself$',
        ),
        ("c = ['${n.a}']; n = dict()", r'c\.0 takes the value of n\.a'),
        ("c = '${c}'", 'c: c → c leads back to itself'),
        ("c = '${n}'; n = ['${m}']; m = '${n}'", 'leads back to itself'),
        ("c = '${len:n}'; n = 'ab.txt'", "expected a list, got 'ab.txt'"),
        ("c = 'x${n}'; n = [1]", 'expected text or a number .* is a list'),
        ("c = '${a b}'", r'expected references such as \$\{NAME'),
        ("c = '${n'; n = 1", r'expected references such as \$\{NAME'),
        ("c = '${oc.env:HOME}'", r'expected references such as \$\{NAME'),
    ],
)
def test_references_that_lead_nowhere_are_refused(tmp_path, text, message):
    file = tmp_path / 'own.py'
    file.write_text(text)
    with pytest.raises(ValueError, match=message):
        load_config(file)


@pytest.mark.parametrize(
    ('text', 'option', 'message'),
    [
        # nothing refers to it
        (
            "k = 'a'\nmodel = dict(k=k)",
            'k',
            r"k='b' reaches no part of the config, .* set model\.k \('a'\)",
        ),
        (
            'steps = [dict(k=1)]\ntrain_dataloader = dict(x=steps)',
            'steps.0.k',
            r'steps\.0\.k=.* set train_dataloader\.x\.0\.k \(1\)',
        ),
        (
            "n = dict(a=1)\nmodel = dict(x='${n.a}', k=2)",
            'n.k',
            r'set model\.k \(2\)',
        ),
        # it was used while the file was read
        (
            "_base_ = 'base.py'\nn = 4\nmodel = dict(m=n)",
            'n',
            'n is used while',
        ),
        # some refer to it, to others the file has copied it
        (
            "_base_ = 'base.py'\nk = 'c'\nmodel = dict(k=k)",
            'k',
            r"k='b' would not reach model\.k \('c'\), to which the file",
        ),
    ],
)
def test_an_option_that_reaches_not_all_is_refused(
    tmp_path, text, option, message
):
    (tmp_path / 'base.py').write_text(
        "k = 'a'\nmodel = dict(k='${k}', l='${k}')\n"
    )
    file = tmp_path / 'own.py'
    file.write_text(text)
    with pytest.raises((KeyError, ValueError), match=message):
        load_config(file, {option: 'b'})


def test_the_host_alone_trains_on_no_other_data_set(tmp_path):
    file = tmp_path / 'own.py'
    file.write_text(f"_base_ = {str(FOLDER)!r}\ndata_root = 'mine'\n")
    cfg = Config.fromfile(file)
    with pytest.raises((OSError, TypeError)):
        DATASETS.build(cfg.train_dataloader.dataset)


def test_a_written_config_holds_values(tmp_path):
    cfg = load_config(FOLDER, {'view_size': 96})
    cfg.dump(tmp_path / 'written.py')
    again = load_config(tmp_path / 'written.py')
    assert again.to_dict() == cfg.to_dict()
    assert Config.fromfile(tmp_path / 'written.py').few_shot.view_size == 96
    with pytest.raises(KeyError, match=r'set .*few_shot\.view_size \(96\)'):
        load_config(tmp_path / 'written.py', {'view_size': 64})


@pytest.mark.parametrize(
    ('option', 'message'),
    [
        ('data_rot', r"'data_rot'; did you mean data_root"),
        ('modle.mixup', r"'modle'; did you mean model"),
        ('max_epochs', r'did you mean train_cfg\.max_epochs \(300\)\?'),
        ('batch_size', r'did you mean train_dataloader\.batch_size \(64\)'),
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


@pytest.mark.parametrize(
    'text',
    [
        "data_root = 'my/images'",
        # as in other projects
        "data_root = 'my/images'\n"
        'train_dataloader = dict(dataset=dict(data_root=data_root))',
    ],
)
def test_a_data_set_of_ones_own_takes_few_lines(tmp_path, text):
    file = tmp_path / 'own.py'
    file.write_text(f'_base_ = {str(FOLDER)!r}\n{text}\n')
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


RECIPE = """
defaults = dict(data_root=None, view_size=224, epochs=3)
train_dataloader = dict(dataset=dict(data_root='${data_root}'))
few_shot = dict(view_size='${view_size}')
train_cfg = dict(max_epochs='${epochs}')
"""


@pytest.mark.parametrize(
    ('data_set', 'own', 'options', 'expected'),
    [
        ('', '', {}, (None, 224, 3)),
        ("data_root = 'd'\nview_size = 128", '', {}, ('d', 128, 3)),
        ("data_root = 'd'", 'view_size = 64', {}, ('d', 64, 3)),
        ("data_root = 'd'", 'defaults = dict(epochs=5)', {}, ('d', 224, 5)),
        ("data_root = 'd'", '', {'view_size': '96'}, ('d', 96, 3)),
        ('view_size = 128', '', {'data_root': '7'}, ('7', 128, 3)),
        ("data_root = 'd'", 'view_size = 64', {'view_size': '8'}, ('d', 8, 3)),
        ('', '', {'few_shot.view_size': '9', 'epochs': '2'}, (None, 9, 2)),
    ],
)
def test_what_nothing_sets_is_as_the_recipe_has_it(
    tmp_path, data_set, own, options, expected
):
    (tmp_path / 'recipe.py').write_text(RECIPE)
    (tmp_path / 'data.py').write_text(f'{data_set}\n')
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = ['recipe.py', 'data.py']\n{own}\n")
    typed = {key: OptionText(value) for key, value in options.items()}
    cfg = load_config(path, typed)
    content = (
        cfg.train_dataloader.dataset.data_root,
        cfg.few_shot.view_size,
        cfg.train_cfg.max_epochs,
    )
    assert content == expected
    assert 'defaults' not in cfg
    cfg.dump(tmp_path / 'run.py')
    again = load_config(tmp_path / 'run.py')
    assert again.to_dict() == cfg.to_dict()


@pytest.mark.parametrize(
    ('own', 'message'),
    [
        ('view_sise = 64', 'did you mean view_size'),
        ('max_epochs = 64', r'set train_cfg\.max_epochs'),
    ],
)
def test_a_setting_that_the_recipe_does_not_know_is_refused(
    tmp_path, own, message
):
    (tmp_path / 'recipe.py').write_text(RECIPE)
    path = tmp_path / 'mine.py'
    path.write_text(f"_base_ = ['recipe.py']\n{own}\n")
    with pytest.raises(ValueError, match=message):
        load_config(path)
