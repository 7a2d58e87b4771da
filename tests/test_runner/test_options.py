"""What is typed on the command line arrives as what the config holds."""

import argparse

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmcvgssl.apis import load_config
from mmcvgssl.cli.arguments import (
    add_cfg_options,
    add_run_options,
    load_run_config,
)
from mmcvgssl.pipeline.stage import build_config, fill, read_stages
from mmcvgssl.runner.options import OptionText, type_options
from tests.data import CONFIGS

FOLDER = CONFIGS / 'pretrain/cvgssl/cvgssl_resnet18_lite0_1xb64-300e_folder.py'
HELD = {
    'text': 'x',
    'n': 3,
    'f': 0.5,
    'b': True,
    'l': [1, 2, 3],
    'size': (224, 224),
    'names': ('a', 'b'),
    'steps': [{'type': 'A', 'size': 1}],
    'model': {'type': 'X', 'depth': 18},
    'empty': [],
    'none': None,
    'data_root': 'd',
}
READ = [
    # text, exactly as typed
    *[
        ('text', word, word)
        for word in (
            *('my images', ' x ', '20240501', '01', '1e5', '0.50', 'lot,42'),
            *('', 'none', 'true', 'a=b', 'C:\\new\\table', 'größe/表面'),
            *("'q'", '[x]', '(1,2)', 'dict(a=1)', '-', '~/x', '{root}'),
        )
    ],
    ('text', 'None', None),
    ('data_root', 'None', 'None'),
    ('steps.0.type', '7', '7'),
    ('model.type', 'None', 'None'),
    # numbers
    ('n', '5', 5),
    ('n', '-3', -3),
    ('n', '007', 7),
    ('n', '1e3', 1000),
    ('n', '0.5', 0.5),
    ('n', '(64,128)', (64, 128)),
    ('n', 'None', None),
    ('n', "'auto'", 'auto'),
    ('f', '1', 1.0),
    ('f', '1e-3', 1e-3),
    ('f', '.5', 0.5),
    ('f', '[0.9, 0.99]', [0.9, 0.99]),
    ('steps.0.size', '64', 64),
    ('l.1', '7', 7),
    *[('b', word, True) for word in ('true', 'True', 'TRUE', '1')],
    *[('b', word, False) for word in ('false', 'False', '0')],
    ('b', '"weights.pth"', 'weights.pth'),
    # several
    ('l', '1,2', [1, 2]),
    ('l', '[1, 2]', [1, 2]),
    ('l', '(1,2)', [1, 2]),
    ('l', '3', [3]),
    ('l', '[]', []),
    ('l', 'None', None),
    ('size', '128,64', (128, 64)),
    ('size', '[128]', (128,)),
    ('names', '01,02', ('01', '02')),
    ('names', 'scratch', ('scratch',)),
    ('names', 'lot 1, größe', ('lot 1', 'größe')),
    ('names', "'lot,42',b", ('lot,42', 'b')),
    ('names', "['a', 'b']", ('a', 'b')),
    ('names', '[a,b]', ('a', 'b')),
    ('names', '("a",)', ('a',)),
    ('names', "l'art,b", ("l'art", 'b')),
    ('empty', '1,2', [1, 2]),
    ('empty', 'a,b', ['a', 'b']),
    ('steps', "[dict(type='B')]", [{'type': 'B'}]),
    # dicts
    ('model', 'None', None),
    ('model', "dict(type='Y', a=[1, (2,)])", {'type': 'Y', 'a': [1, (2,)]}),
    ('model', "{'type': 'Y'}", {'type': 'Y'}),
    ('model', "[dict(type='Y')]", [{'type': 'Y'}]),
    # nothing there
    *[
        (key, text, value)
        for key in ('none', 'new', 'model.new', 'steps.0.new')
        for text, value in [
            *(('1', 1), ('0.1', 0.1), ('1e-5', 1e-5), ('None', None)),
            *(('true', True), ('1,2,3', [1, 2, 3]), ('[1,2]', [1, 2])),
            *(('[(1,2),(3,4)]', [(1, 2), (3, 4)]), ('(1,)', (1,))),
            *(('[a, b]', ['a', 'b']), ('"5"', '5'), ("'a b'", 'a b')),
            *(('dict(a=1)', {'a': 1}), ("['1,2']", ['1,2'])),
            *[
                (word, word)
                for word in (
                    *('', 'x y', '01', 'a,b', 'lot,42', 'lot (2)', '[a] [b]'),
                    *('C:\\x', 'a=b', '1+2', 'f(x)', 'nan', '(', '])', "'"),
                )
            ],
        ]
    ],
    # where text is expected, although nothing is there
    ('load_from', '20240501', '20240501'),
    ('load_from', 'None', None),
    ('fit.dataset.category', '7', '7'),
    ('fit.dataset.data_root', '[1]', '[1]'),
    ('fit.dataset.good_names', '1', ('1',)),
    ('fit.dataset.good_names', 'OK,gut 2', ('OK', 'gut 2')),
    ('fit.metainfo.classes', '[01, 02]', ('01', '02')),
    ('fit.metainfo.classes', 'classes.txt', 'classes.txt'),
    ('fit.dataset.ignore', "'lot,42'", ('lot,42',)),
    ('fit.dataset.ignore', 'None', None),
]


@pytest.mark.parametrize(('key', 'text', 'want'), READ)
def test_a_value_gets_the_type_of_what_it_replaces(key, text, want):
    got = type_options({key: OptionText(text)}, HELD)[key]
    assert got == want
    assert type(got) is type(want)


@pytest.mark.parametrize(
    ('key', 'text', 'expected'),
    [
        ('n', 'ten', 'a number'),
        ('n', '', 'a number'),
        ('n', '1,2', 'several in brackets'),
        ('n', 'true', 'a number'),
        ('n', '[1,a]', 'several in brackets'),
        ('f', '0,5', 'a number'),
        ('f', 'nan', 'a number'),
        ('b', 'yes', 'true or false'),
        ('b', '2', 'true or false'),
        ('l', 'a,b', 'numbers'),
        ('l', '', 'numbers'),
        ('size', '128', 'two values'),
        ('names', '', 'names'),
        ('steps', '1,2', 'dicts'),
        ('model', 'SGD', 'a dict'),
        ('model.depth', '1 8', 'a number'),
    ],
)
def test_what_cannot_be_read_is_refused(key, text, expected):
    with pytest.raises(ValueError, match=expected) as caught:
        type_options({key: OptionText(text)}, HELD)
    assert f'{key}={text!r}' in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text):
    want = None if text == 'None' else text
    assert type_options({'text': OptionText(text)}, HELD)['text'] == want
    for key in HELD:
        try:
            type_options({key: OptionText(text)}, HELD)
        except ValueError as error:
            assert repr(text) in str(error)  # noqa: PT017


def test_values_from_python_stay_as_they_are():
    given = {'n': 'ten', 'l': (1, 2), 'text': 5}
    assert type_options(given, HELD) == given


def parse(*words):
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_cfg_options(parser)
    return parser.parse_args(words).cfg_options


def test_words_of_the_command_line():
    got = parse('--cfg-options', 'a=b=c', 'd=', '--cfg-options', 'e= f', 'a=1')
    assert got == {'a': '1', 'd': '', 'e': ' f'}
    assert parse() is None


@pytest.mark.parametrize('word', ['images', '=x', ' =x'])
def test_a_word_without_a_key_is_refused(word):
    with pytest.raises(argparse.ArgumentError, match='key=value') as caught:
        parse('--cfg-options', 'data_root=my', word)
    assert repr(word) in str(caught.value)


def test_every_place_gets_the_typed_value(tmp_path):
    options = parse(
        '--cfg-options', 'data_root=01', 'view_size=64', 'split_dir=a, b'
    )
    cfg = load_config(FOLDER, options)
    assert cfg.train_dataloader.dataset.data_root == '01'
    assert cfg.few_shot.test.split_dir == 'a, b'
    assert cfg.few_shot.view_size == 64
    file = tmp_path / 'written.py'
    cfg.dump(file)
    assert load_config(file).data_root == '01'
    bad = parse('--cfg-options', 'train_cfg.max_epochs=ten')
    with pytest.raises(ValueError, match=r"train_cfg\.max_epochs='ten'"):
        load_config(FOLDER, bad)


def test_a_stage_of_a_pipeline_types_its_own(tmp_path):
    file = tmp_path / 'pipeline.py'
    file.write_text(
        'stages = dict(pretrain=dict(tool="train", '
        f'config={str(FOLDER)!r}, options=dict(data_root="{{root}}")))\n'
    )
    above = 'stages.pretrain.options.'
    options = parse(
        '--cfg-options',
        f'{above}split_dir=007',
        f'{above}train_cfg.max_epochs=2',
        f'{above}train_dataloader.batch_size=[4]',
        f'{above}few_shot.train.data_root={{root}}/01',
    )
    stage = read_stages(load_config(file, options))['pretrain']
    content = fill(stage.options, {'root': '2024'})
    cfg = build_config(stage.config, content)
    assert cfg.split_dir == '007'
    assert cfg.train_cfg.max_epochs == 2
    assert cfg.train_dataloader.batch_size == [4]
    assert cfg.data_root == '2024'
    assert cfg.few_shot.train.data_root == '2024/01'


@pytest.mark.parametrize(
    ('words', 'launcher', 'work_dir'),
    [
        ([], 'none', 'work_dirs/x'),
        (['--work-dir', 'w'], 'none', 'w'),
        (['--cfg-options', 'work_dir=1'], 'none', '1'),
        (['--cfg-options', 'launcher=slurm'], 'slurm', 'work_dirs/x'),
        (
            ['--launcher', 'pytorch', '--cfg-options', 'launcher=slurm'],
            'pytorch',
            'work_dirs/x',
        ),
    ],
)
def test_options_go_before_defaults(tmp_path, words, launcher, work_dir):
    file = tmp_path / 'x.py'
    file.write_text('a = 1\n')
    parser = argparse.ArgumentParser()
    parser.add_argument('config')
    parser.add_argument('--work-dir')
    add_run_options(parser)
    cfg = load_run_config(parser.parse_args([str(file), *words]))
    assert (cfg.launcher, cfg.work_dir) == (launcher, work_dir)
