"""Options and parts of configs that nothing would read are refused."""

import pytest

from mmcvgssl.apis import load_config
from mmcvgssl.runner.options import OptionText
from tests.data import CONFIGS

FOLDER = CONFIGS / 'pretrain/cvgssl/cvgssl_resnet18_lite0_1xb64-300e_folder.py'
DATA = 'train_dataloader.dataset'


def load(*words: str, path=FOLDER):
    pairs = (word.partition('=')[::2] for word in words)
    return load_config(path, {k: OptionText(v) for k, v in pairs})


@pytest.mark.parametrize(
    ('word', 'message'),
    [
        ('train_dataloader.btach_size=2', 'did you mean batch_size'),
        ('train_cfg.max_epoch=1', 'did you mean max_epochs'),
        ('model.backbone.depht=34', 'did you mean depth'),
        ('model.teacher.0.weights=x', 'did you mean teachers'),
        ('model.teachers.7.weights=x', 'a number below 1 after'),
        ('model.teachers.-1.weights=x', 'a number below 1 after'),
        ('model.=3', 'known are backbone'),
        ('optim_wrapper.optimzer.lr=1', 'did you mean optimizer'),
        ('optim_wrapper.optimizer.learning_rate=1', 'known are .*lr'),
        ('optim_wrapper.clip_grad.max_nrm=1', 'did you mean max_norm'),
        ('default_hooks.checkpoint.intervall=1', 'did you mean interval'),
        ('default_hooks.chekpoint.interval=1', 'did you mean checkpoint'),
        ('randomness.sed=3', 'did you mean seed'),
        ('env_cfg.cudnn=True', 'known are cudnn_benchmark'),
        ('auto_scale_lr.base_batchsize=3', 'did you mean base_batch_size'),
        ('log_processor.windowsize=3', 'did you mean window_size'),
        ('few_shot.view_sise=3', 'did you mean view_size'),
        ('few_shot.schedule.epohcs=3', 'did you mean epochs'),
        (f'{DATA}.data_prefx=x', 'did you mean data_prefix'),
        (f'{DATA}.pipeline.1.viewsize=3', 'did you mean view_size'),
        (f'{DATA}.pipeline.1.view_size.0=3', 'holds nothing by a name'),
        ('data_root.x=3', 'set data_root itself'),
    ],
)
def test_a_mistyped_name_is_refused(word, message):
    with pytest.raises(KeyError, match=message) as caught:
        load(word)
    assert caught.value.args[0].startswith(word.partition('=')[0])


@pytest.mark.parametrize(
    ('words', 'key', 'value'),
    [
        (['train_dataloader.pin_memory=True'], None, True),
        (['default_hooks.checkpoint.save_best=auto'], None, 'auto'),
        (
            ["default_hooks.own=dict(type='EMAHook')"],
            None,
            {'type': 'EMAHook'},
        ),
        (
            ['default_hooks.own.interval=4', 'default_hooks.own.type=EMAHook'],
            'default_hooks.own.interval',
            4,
        ),
        (['model.backbone.frozen_stages=1'], None, 1),
        (['model.backbone.norm_cfg.requires_grad=False'], None, False),
        (['model.mixup=0.5'], None, 0.5),
        (['optim_wrapper.accumulative_counts=2'], None, 2),
        (['optim_wrapper.paramwise_cfg.norm_decay_mult=0'], None, 0),
        (['optim_wrapper.clip_grad.max_norm=1'], None, 1),
        (
            [
                'optim_wrapper.optimizer.betas=[0.9,0.9]',
                'optim_wrapper.optimizer.type=AdamW',
            ],
            'optim_wrapper.optimizer.betas',
            [0.9, 0.9],
        ),
        (
            ['train_cfg.max_iters=4', 'train_cfg.type=IterBasedTrainLoop'],
            'train_cfg.max_iters',
            4,
        ),
        (['env_cfg.mp_cfg.mp_start_method=spawn'], None, 'spawn'),
        (['randomness.deterministic=True'], None, True),
        (['few_shot.schedule.epochs=3'], None, 3),
        (['few_shot.train.encoding=latin1'], None, 'latin1'),
        ([f'{DATA}.metainfo.classes=a,b'], None, ('a', 'b')),
        ([f'{DATA}.seed=3'], None, 3),
    ],
)
def test_what_something_reads_is_taken(words, key, value):
    got = load(*words)
    for name in (key or words[0].partition('=')[0]).split('.'):
        got = got[name]
    assert got == value


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('train_dataloder = dict(batch_size=4)', 'mean train_dataloader'),
        ('optim_wraper = dict(optimizer=dict(lr=1))', 'mean optim_wrapper'),
        ('custom_hook = []', 'mean custom_hooks'),
        ('fit_dataloder = dict(batch_size=4)', 'mean fit_dataloader'),
        ('fewshot = dict(view_size=48)', 'mean few_shot'),
        ('env_cfg = dict(cudnn=1)', r'env_cfg\.cudnn'),
        ('few_shot = dict(schedule=dict(epohcs=1))', 'mean epochs'),
        ("data_rots = 'mine'", 'did you mean data_root'),
        ('max_epochs = 4', r'no part .*set train_cfg\.max_epochs \(300\)'),
        ('batch_size = 4', r'set train_dataloader\.batch_size \(64\)'),
    ],
)
def test_what_a_file_says_in_vain_is_refused(tmp_path, text, message):
    file = tmp_path / 'own.py'
    file.write_text(f'_base_ = {str(FOLDER)!r}\n{text}\n')
    with pytest.raises((KeyError, ValueError), match=message):
        load_config(file)


@pytest.mark.parametrize(
    'text',
    [
        'model_cfg = dict(a=1)\nown = 3',
        "data_root = 'x'\nfew_shot = dict(train=dict(data_root='x'))",
        "data_root = 'x'\ntrain_dataloader = dict(dataset=dict("
        "data_root=data_root + '/a'))",
        'train_dataloader = dict(batch_size=2)',
    ],
)
def test_names_of_ones_own_are_taken(tmp_path, text):
    file = tmp_path / 'own.py'
    file.write_text(f'_base_ = {str(FOLDER)!r}\n{text}\n')
    load_config(file).dump(tmp_path / 'written.py')
    load_config(tmp_path / 'written.py')


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a = 1 / 0', 'own.py.*ZeroDivisionError'),
        ('a = unknown', "own.py.*'unknown' is not defined"),
        ("_base_ = ['gone.py']", r'own.py.*gone\.py'),
    ],
)
def test_a_file_that_breaks_is_named(tmp_path, text, message):
    file = tmp_path / 'own.py'
    file.write_text(text)
    with pytest.raises((OSError, ValueError), match=message):
        load_config(file)


@pytest.mark.parametrize(
    'word',
    ['data_root=', 'load_from= ', 'work_dir=', 'model.teachers.0.weights='],
)
def test_an_empty_name_of_a_file_is_refused(word):
    with pytest.raises(ValueError, match='is empty: expected a file'):
        load(word)


def test_options_of_stages_wait_for_the_config_of_the_stage(tmp_path):
    file = tmp_path / 'pipeline.py'
    file.write_text(
        f'stages = dict(a=dict(tool="train", config={str(FOLDER)!r}, '
        'options={"test_dataloader": None}))\n'
    )
    key = 'stages.a.options.train_dataloader.b'
    cfg = load(f'{key}=3', path=file)
    assert cfg.stages.a.options.train_dataloader.b == '3'
    with pytest.raises(KeyError, match='nothing reads'):
        load('stages.a.optoins.b=3', path=file)


def test_what_a_base_sets_may_be_replaced_where_it_is_read(tmp_path):
    (tmp_path / 'root.py').write_text("size = 1\nmodel = dict(size='${size}')")
    (tmp_path / 'base.py').write_text("_base_ = 'root.py'\nsize = 2")
    file = tmp_path / 'own.py'
    file.write_text("_base_ = 'base.py'\nmodel = dict(size=3)")
    assert load_config(file).model.size == 3
    file.write_text("_base_ = 'base.py'\nsize = 4\nmodel = dict(size=3)")
    with pytest.raises(ValueError, match=r'own.py:2: size=4 reaches no part'):
        load_config(file)


def test_what_a_base_sets_in_vain_is_refused(tmp_path):
    (tmp_path / 'root.py').write_text('size = 1\nmodel = dict(size=size)')
    (tmp_path / 'base.py').write_text("_base_ = 'root.py'\nsize = 2")
    file = tmp_path / 'own.py'
    file.write_text("_base_ = ['base.py']\n")
    with pytest.raises(ValueError, match=r'base.py:2: size=2 reaches no part'):
        load_config(file)
    # what a file over it uses counts
    file.write_text("_base_ = ['base.py']\nmodel = dict(n=_base_.size)\n")
    load_config(file)


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('own.yaml', 'size: 2', r'own.yaml:2: size=2 reaches no part'),
        ('own.json', '"size": 2', r'own.json:2: size=2 reaches no part'),
        ('own.yaml', 'sizes: {a: 2}', r'sizes.a=2 reaches no .*takes b of'),
        ('own.py', 'sizes = dict(a=2)', r'sizes.a=2 reaches no .*takes b of'),
        ('own.yaml', 'sizes: {b: 2}', None),
        ('own.py', 'sizes = dict(b=2)', None),
    ],
)
def test_files_of_every_kind_are_checked(tmp_path, name, text, message):
    (tmp_path / 'base.py').write_text(
        "size = 1\nsizes = dict(b=1)\nmodel = dict(size=size, n='${sizes.b}')"
    )
    first = {'y': '_base_: base.py', 'j': '{"_base_": "base.py",'}
    first = first.get(name[4], "_base_ = 'base.py'")
    file = tmp_path / name
    file.write_text(f'{first}\n{text}\n' + '}' * name.endswith('json'))
    if message is None:
        assert load_config(file).model.n == 2
    else:
        with pytest.raises(ValueError, match=message):
            load_config(file)
