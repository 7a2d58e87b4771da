"""The command: what it prints where, and how it ends."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from mmcvgssl.cli import main
from mmcvgssl.cli.command import COMMANDS
from mmcvgssl.cli.completion import completion
from mmcvgssl.cli.outcome import Outcome
from mmcvgssl.cli.parser import parser_of
from mmcvgssl.progress import LOG, QUIET, VERBOSE
from mmcvgssl.user_errors import DEBUG
from mmcvgssl.version import __version__
from tests.data import ROOT, write_classes
from tests.doc_commands import blocks


@pytest.fixture
def env_verb(monkeypatch):
    """Let the verb env do something else."""

    def replace(action) -> None:
        monkeypatch.setattr('mmcvgssl.cli.env.run', action)

    return replace


def test_help_names_every_verb(capsys):
    assert main(['--help']) == 0
    said = capsys.readouterr().out
    for verb, command in COMMANDS.items():
        assert f'  {verb} ' in said
        assert command.help in said
    assert max(map(len, said.splitlines())) < 80
    assert main([]) == 2


def test_version(capsys):
    assert main(['--version']) == 0
    assert capsys.readouterr().out == f'mmcvgssl {__version__}\n'


@pytest.mark.parametrize('verb', COMMANDS)
def test_a_verb_has_help_an_example_and_a_script(verb, capsys):
    with pytest.raises(SystemExit) as stop:
        parser_of(verb).parse_args(['--help'])
    assert stop.value.code == 0
    module = COMMANDS[verb].load()
    example = module.EXAMPLE.replace('\\\n', ' ')
    assert example.split()[:2] == ['mmcvgssl', verb]
    said = capsys.readouterr().out
    assert f'  {module.EXAMPLE.splitlines()[0]}' in said
    # the page's commands are run elsewhere
    page = blocks('docs/command.md', 'bash')[0].replace('\\\n', ' ')
    assert shlex.split(example) in map(shlex.split, page.splitlines())
    args = parser_of(verb).parse_args(shlex.split(example)[2:])
    assert args.json is args.verbose is args.debug is False
    if verb != 'env':
        scripts = [path.read_text() for path in ROOT.glob('tools/*.py')]
        assert sum(f"run_tool('{verb}')" in text for text in scripts) == 1


@pytest.mark.parametrize(
    ('words', 'expected'),
    [
        (['predct'], 'did you mean predict?'),
        (['few_shot'], 'did you mean few-shot?'),
        (['xyzzy'], 'there are train, fit'),
        (['env', '--jsn'], 'for --jsn, did you mean --json?'),
        (['fit', 'x', '--imges=y'], 'for --imges, did you mean --images?'),
        (['fit', 'x', '--false-alarm-rate', '2'], 'between 0 and 1, or none'),
        (['prepare', 'x-sd'], "invalid choice: 'x-sd'"),
        (['prepare', 'folder', 'x', '--sed', '1'], 'did you mean --seed?'),
        (['maps', 'x', '--images', 'y'], 'required: --out'),
    ],
)
def test_a_mistyped_word_is_answered_with_the_right_one(
    capsys, words, expected
):
    assert main(words) == 2
    said = capsys.readouterr()
    assert expected in said.err
    assert said.out == ''


def test_a_wrong_option_is_json_if_that_is_wanted(capsys):
    assert main(['fit', 'x', '--json']) == 2
    said = json.loads(capsys.readouterr().out)
    assert said['exit_code'] == 2
    assert 'required: --out' in said['error']


def test_the_result_is_all_on_stdout(env_verb, capfd):
    def run(args):
        print('in between')
        subprocess.run([sys.executable, '-c', 'print("of a child")'])
        data = {'path': Path('a'), 'b': float('nan'), 'c': (1, 2)}
        return Outcome('text\n', data, ('careful',))

    env_verb(run)
    assert main(['env', '--json']) == 0
    said = capfd.readouterr()
    assert said.out == '{"path": "a", "b": null, "c": [1, 2]}\n'
    assert main(['env', '--js']) == 0
    assert capfd.readouterr().out == said.out
    for line in ('in between', 'of a child', 'careful'):
        assert line in said.err
    assert main(['env']) == 0
    assert capfd.readouterr().out.splitlines()[-1] == 'text'


def test_an_error_is_a_sentence_or_json(env_verb, capsys):
    def run(args):
        raise ValueError('what to do')

    env_verb(run)
    assert main(['env']) == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == ('', '\nERROR: what to do\n')
    assert main(['env', '--json']) == 1
    said = capsys.readouterr().out
    assert json.loads(said) == {'error': 'what to do', 'exit_code': 1}
    assert main(['env', '--debug']) == 1
    assert 'in run\n    raise ValueError' in capsys.readouterr().err


def test_a_fault_of_the_code_stays_one(env_verb, capsys):
    env_verb(lambda args: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        main(['env', '--json'])
    assert 'ZeroDivision' in json.loads(capsys.readouterr().out)['error']


def test_an_interrupted_verb_says_how_to_go_on(env_verb, capsys, monkeypatch):
    def run(args):
        raise KeyboardInterrupt

    env_verb(run)
    monkeypatch.setattr('mmcvgssl.cli.env.INTERRUPTED', 'do it so')
    assert main(['env']) == 130
    assert capsys.readouterr().err == '\ninterrupted: do it so\n'
    assert main(['env', '--json']) == 130
    assert json.loads(capsys.readouterr().out)['exit_code'] == 130


@pytest.mark.parametrize(
    ('words', 'level', 'debug'),
    [
        ([], QUIET, None),
        (['--verbose'], VERBOSE, None),
        (['--debug'], QUIET, '1'),
    ],
)
def test_processes_of_a_verb_know_what_to_show(env_verb, words, level, debug):
    seen = []

    def run(args):
        seen.append((os.environ.get(LOG), os.environ.get(DEBUG)))
        assert vars(args) == {}
        return Outcome('')

    env_verb(run)
    assert main(['env', *words]) == 0
    assert seen == [(level, debug)]
    assert LOG not in os.environ
    assert DEBUG not in os.environ


def test_a_closed_pipe_leaves_no_traceback():
    command = f'{sys.executable} -m mmcvgssl --help'
    done = subprocess.run(
        ['bash', '-c', f'({command}; echo $? >&2) | (exec <&-; sleep 3)'],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    assert done.stderr == '141\n'


def test_lists_of_a_folder_as_json(tmp_path, capsys):
    folder = write_classes(tmp_path / 'images', 6)
    words = ['prepare', 'folder', str(folder), '--out', str(tmp_path / 'l')]
    assert main([*words, '--json']) == 0
    found = json.loads(capsys.readouterr().out)
    assert found['lists'] == str(tmp_path / 'l')
    assert sum(map(sum, (v.values() for v in found['images'].values()))) == 36


def test_a_config_is_a_file_or_the_name_of_a_recipe(capsys, tmp_path):
    words = ['fit', 'patchcore_lite0_foldr', '--out', 'x.safetensors']
    assert main(words) == 1
    said = capsys.readouterr().err
    assert 'did you mean patchcore_lite0_folder' in said
    assert main(['fit', str(tmp_path / 'no.py'), *words[2:]]) == 1
    assert 'no config file' in capsys.readouterr().err


@pytest.mark.parametrize('shell', ['bash', 'zsh'])
def test_completion_can_be_read(shell, tmp_path):
    text = completion(shell)
    for word in ('few-shot', '--false-alarm-rate', 'x-sdd', 'openvino'):
        assert word in text
    if shell == 'bash':
        (tmp_path / 'mmcvgssl').write_text(text)
        done = subprocess.run(['bash', '-n', tmp_path / 'mmcvgssl'])
        assert done.returncode == 0


def test_the_command_imports_no_torch_for_its_help():
    code = (
        'import sys; from mmcvgssl.cli import main; main(["--help"]); '
        'main(["fit", "--imges", "x"]); '
        'assert not {"torch", "mmengine", "cv2"} & {*sys.modules}'
    )
    done = subprocess.run(
        [sys.executable, '-c', code],
        capture_output=True,
        text=True,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
    )
    assert done.returncode == 0, done.stderr


def test_the_wheel_installs_the_command():
    text = (ROOT / 'setup.py').read_text()
    assert re.search(r"'mmcvgssl = mmcvgssl\.cli:main'", text)
