"""The model of a file is updated by more images, on the command line."""

import json
from shutil import copyfile

import pytest

from mmcvgssl.apis import AnomalyInspector, FewShotClassifier
from mmcvgssl.cli.main import main
from mmcvgssl.model_file import ModelFile
from tests.data import picture


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Write good and new pictures, and a folder of two classes."""
    monkeypatch.chdir(tmp_path)
    homes = {'good': 10, 'new': 5, 'more/dent': 2, 'more/rust': 2}
    for kind, (name, count) in enumerate(homes.items()):
        (tmp_path / name).mkdir(parents=True)
        for i in range(count):
            picture(100 * kind + i, 32).save(tmp_path / f'{name}/{i}.png')
    return tmp_path


def run(capsys, *words: str) -> tuple[int, str, str]:
    """Return the exit code, and what is on stdout and on stderr."""
    try:
        code = main(['fit', *words])
    except SystemExit as error:
        code = error.code
    return int(code or 0), *capsys.readouterr()


def test_files_of_both_kinds_are_updated(folder, capsys):
    quick = dict(show_progress=False)
    AnomalyInspector.fit(
        'good', 'patchcore', 0.4, {'input_size': 32}, **quick
    ).save('model.safetensors')
    update = ['--update', 'model.safetensors', '--images', 'new']
    capsys.readouterr()
    code, out, err = run(
        *(capsys, *update, '--earlier-images', 'good'),
        *('--out', 'model.safetensors', '--json'),
    )
    assert code == 0, err
    assert json.loads(out)['chosen']['good_images'] == 3
    assert 'learns from 4 of 5 new images' in err
    content = ModelFile.read('model.safetensors')
    assert 'update_1.new_images' in content.provenance['files']
    assert len(list((folder / 'earlier').rglob('*.safetensors'))) == 1
    inspector = AnomalyInspector('model.safetensors')
    whole = AnomalyInspector.fit(
        [*sorted(folder.glob('good/*')), *sorted(folder.glob('new/*'))],
        *('patchcore', 0.4, {'input_size': 32}),
        **quick,
    )
    assert inspector.threshold == pytest.approx(whole.threshold, rel=1e-6)

    code, _, err = run(capsys, *update, '--out', 'model.safetensors')
    assert code != 0
    assert 'has learned from 5' in err

    FewShotClassifier.fit(
        {'dent': 'good/0.png', 'rust': 'good/1.png'}, size=32, **quick
    ).save('classes.safetensors')
    copyfile('more/dent/0.png', 'more/dent/2.png')
    capsys.readouterr()
    code, out, err = run(
        *(capsys, '--update', 'classes.safetensors', '--images', 'more'),
        *('--out', 'both.safetensors'),
    )
    assert code == 0, err
    assert out.startswith('both.safetensors:\n')
    # what is said meanwhile is no part of the result
    assert 'warning' not in out.lower()
    assert 'given more than once' in err
    assert ModelFile.read('both.safetensors').chosen['images'] == 7


@pytest.mark.parametrize(
    ('words', 'said'),
    [
        (['--out', 'a.safetensors'], 'expected a config, or --update'),
        (
            ['config.py', '--update', 'a.safetensors', '--out', 'b'],
            'leave the config config.py out',
        ),
        (['--update', 'a.safetensors', '--out', 'b'], 'needs --images'),
        (
            [
                *('--update', 'a.safetensors', '--images', 'new'),
                *('--out', 'b', '--false-alarm-rate', '0.1'),
            ],
            'leave --false-alarm-rate out',
        ),
        (
            [
                *('--update', 'a.safetensors', '--images', 'new'),
                *('--out', 'b.safetensors'),
            ],
            'no model file a.safetensors',
        ),
        (
            ['config.py', '--earlier-images', 'x', '--out', 'b.safetensors'],
            '--earlier-images is for --update',
        ),
    ],
)
def test_options_that_do_not_go_together(words, said, folder, capsys):
    code, _, err = run(capsys, *words)
    assert code != 0
    assert said in err
