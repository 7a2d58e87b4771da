"""Fit, test, predict and maps: one model file through all of them."""

import json

import cv2
import numpy as np
import pytest

from mmcvgssl.apis import MapFolder
from mmcvgssl.model_file import ModelFile
from tests.data import CONFIGS
from tests.one_class_data import (
    SIDE,
    tiny_options,
    write_folder,
    write_magnetic_tile,
    write_mvtec,
)

ANOMALY = CONFIGS / 'anomaly'
MEMORY = ANOMALY / 'patchcore/patchcore_lite0_folder.py'
SMALL = ['input_size=32', 'fit_dataloader.num_workers=0']
TEACHER = 'model.teacher.input_size=32'
RECIPES = {
    'patchcore/patchcore_lite0_folder.py': [TEACHER],
    'mahalanobis_ad/mahalanobis-ad_lite0_folder.py': [TEACHER],
    'musc/musc_lite0_folder.py': [
        TEACHER,
        'model.references=4',
    ],
    'cutpaste/untrained_lite0_folder.py': [],
}


def words(options: dict) -> list[str]:
    return [f'{key}={value}' for key, value in options.items()]


@pytest.mark.parametrize('recipe', RECIPES)
def test_one_file_serves_fit_test_predict_and_maps(recipe, tool, tmp_path):
    root = write_folder(tmp_path / 'data')
    file, out = tmp_path / 'model.safetensors', tmp_path / 'out'
    fit = [
        *('fit.py', ANOMALY / recipe, '--images', root / 'good'),
        *('--out', file, '--work-dir', tmp_path / 'work'),
        *('--false-alarm-rate', '0.4' if 'musc' not in recipe else 'none'),
        *('--cfg-options', *SMALL, *RECIPES[recipe]),
    ]
    code, text, err = tool(*fit)
    assert code == 0, err
    assert 'anomaly model' in text
    written = file.read_bytes()
    code, _, err = tool(*fit)
    assert code == 0, err
    assert 'reused: the state fitted' in err + _
    assert file.read_bytes() == written

    code, _, err = tool(
        *('test.py', file, '--images', root, '--out', tmp_path / 'm.json'),
        *('--work-dir', tmp_path / 'test'),
        *('--cfg-options', 'test_dataloader.num_workers=0'),
    )
    assert code == 0, err
    metrics = json.loads((tmp_path / 'm.json').read_text())

    code, _, err = tool('predict.py', file, root, '--out', out, '--map')
    assert code == 0, err
    saved = json.loads((out / 'predictions.json').read_text())
    scores = {row['path']: row['score'] for row in saved['images']}
    good = [s for path, s in scores.items() if '/good/' in path]
    bad = [s for path, s in scores.items() if '/dent/' in path]
    assert len(good) == 13
    assert len(bad) == 3
    # the same scores in both: the area is that of these
    pairs = np.subtract.outer(bad, good)
    area = (pairs > 0).mean() + (pairs == 0).mean() / 2
    assert metrics['image_auroc'] == pytest.approx(area)
    if saved['threshold'] is not None:
        above = np.array(good) > saved['threshold']
        assert metrics['false_alarms'] == pytest.approx(above.mean())

    code, _, err = tool(
        *('make_maps.py', file, '--images', root / 'dent'),
        *('--out', tmp_path / 'maps', '--work-dir', tmp_path / 'log'),
        *('--cfg-options', 'test_dataloader.num_workers=0'),
    )
    assert code == 0, err
    maps = MapFolder(tmp_path / 'maps')
    assert len(maps) == 3
    for entry in maps:
        assert entry.score == scores[str(root / 'dent' / entry.path)]
        # the same file of the same map, though it came in another batch
        other = out / 'maps' / 'dent' / entry.path
        name = other.with_suffix('.npy')
        made = (tmp_path / 'maps' / entry.path).with_suffix('.npy')
        assert name.read_bytes() == made.read_bytes()


def test_a_test_keeps_scores_and_maps_for_a_report(tool, tmp_path):
    root = write_mvtec(tmp_path / 'data', names=('bolt',))
    work, out = tmp_path / 'work', tmp_path / 'report.html'
    options = [f'data_root={root}', 'category=bolt', *SMALL, TEACHER]
    config = ANOMALY / 'patchcore/patchcore_lite0_mvtec.py'
    run = ('test.py', config, '--work-dir', work, '--maps', '--cfg-options')
    code, _, err = tool(*run, *options, 'test_dataloader.num_workers=0')
    assert code == 0, err
    [file] = work.glob('*/predictions.json')
    kept = json.loads(file.read_text())
    assert kept['root'] == str(root)
    maps = MapFolder(file.parent / 'maps')
    truths = {}
    for row in kept['images']:
        name = row['path'].removeprefix(f'{root}/')
        truths[name] = row['truth']
        assert maps[name].score == row['score']
        assert np.isfinite(maps.load_map(name)).all()
    assert truths['bolt/test/good/0.png'] == {
        **{'name': 'good', 'defective': False},
        'mask': None,
    }
    assert truths['bolt/test/dent/2.png'] == {
        **{'name': 'dent', 'defective': True},
        'mask': str(root / 'bolt/ground_truth/dent/2_mask.png'),
    }
    code, _, err = tool('report.py', work, '--out', out)
    assert code == 0, err
    page = out.read_text()
    assert 'AUROC' in page
    assert 'then the truth outlined in green' in page
    assert page.count('data:image/jpeg') == 6
    # nothing is left of a test that fails, and masks move with images
    (root / 'bolt/test/dent/2.png').write_text('no image')
    code, _, err = tool(*run, *options, 'test_dataloader.num_workers=0')
    assert code == 1
    assert len([*work.glob('*/maps')]) == 1
    assert not [*work.glob('*/.predictions*')]
    moved = root.rename(tmp_path / 'moved')
    code, _, err = tool('report.py', work, '--out', out, '--images', moved)
    assert code == 0, err
    assert out.read_text().count('data:image/jpeg') == 5


def test_what_is_trained_is_trained_first(tool, tmp_path):
    root = write_mvtec(tmp_path / 'data')
    options = {
        **tiny_options(root),
        **{'category': 'bolt', 'detector.false_alarm_rate': 0.25},
        'detector.holdout': 0.3,
    }
    recipe = ANOMALY / 'cutpaste/cutpaste-3way_resnet18_lite_mvtec.py'
    fit = [
        *('fit.py', recipe, '--out', tmp_path / 'bolt.safetensors'),
        *('--work-dir', tmp_path / 'work', '--licence', 'photos: ours'),
        *('--licence', 'weights: theirs'),
        *('--cfg-options', *words(options)),
    ]
    code, text, err = tool(*fit)
    assert code == 0, err
    content = ModelFile.read(tmp_path / 'bolt.safetensors')
    assert content.category == 'bolt'
    assert content.chosen['method'] == 'held-out'
    assert [part.stored for part in content.weights] == [True]
    assert content.licences[-2:] == ['photos: ours', 'weights: theirs']
    assert 'licence: photos: ours' in text
    code, _, err = tool(*(w for w in fit if w != 'category=bolt'))
    assert code == 1
    assert 'name one by --cfg-options category=NAME' in err


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--out', 'm.pt'], 'ends in .safetensors'),
        (['--images', 'nowhere'], 'found no'),
        (['--false-alarm-rate', '0.01'], 'needs at least 99 good images'),
        (['--cfg-options', 'model.coreset=3'], 'coreset'),
    ],
)
def test_bad_input_is_named_and_nothing_written(
    tool, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path / 'data')
    base = ['--images', 'data/good', '--out', 'm.safetensors']
    small = ['--work-dir', 'w', '--cfg-options', *SMALL, TEACHER]
    if arguments[0] == '--cfg-options':
        small += arguments[1:]
        arguments = []
    code, _, err = tool('fit.py', MEMORY, *base, *arguments, *small)
    assert code != 0
    assert message in err
    assert not [*tmp_path.glob('m.*')]


def test_few_images_give_no_threshold_and_say_so(tool, tmp_path):
    root = write_folder(tmp_path / 'data')
    code, text, err = tool(
        *('fit.py', MEMORY, '--images', root / 'good'),
        *('--out', tmp_path / 'm.safetensors', '--work-dir', tmp_path / 'w'),
        *('--cfg-options', *SMALL, TEACHER),
    )
    assert code == 0, err
    assert 'there is no threshold' in err + text
    content = ModelFile.read(tmp_path / 'm.safetensors')
    assert 'state.operating_point' not in content.tensors


def test_masks_beside_good_images_are_not_learned_from(tool, tmp_path):
    root = write_magnetic_tile(tmp_path / 'data') / 'MT_Free'
    for image in (root / 'Imgs').glob('*.jpg'):
        cv2.imwrite(str(image.with_suffix('.png')), np.zeros((SIDE, SIDE)))
    code, text, err = tool(
        *('fit.py', MEMORY, '--images', root),
        *('--out', tmp_path / 'm.safetensors', '--work-dir', tmp_path / 'w'),
        *('--cfg-options', *SMALL, TEACHER),
    )
    assert code == 0, err
    assert '13 images (13 good, 0 defective, 13 with mask)' in err + text


def test_what_no_file_can_say_is_refused_before_the_fit(tool, tmp_path):
    write_folder(tmp_path / 'data')
    config = tmp_path / 'own.py'
    config.write_text(
        f"_base_ = ['{MEMORY}']\n"
        "custom_imports = dict(imports=['mmcvgssl'])\n"
        'fit_dataloader = dict(dataset=dict(pipeline=[\n'
        "    dict(type='mmcvgssl.LoadImage'),\n"
        "    dict(type='mmpretrain.RandomFlip', prob=0.5),\n"
        "    dict(type='mmpretrain.PackInputs')]))\n"
    )
    code, _, err = tool(
        *('fit.py', config, '--images', tmp_path / 'data/good'),
        *('--out', tmp_path / 'm.safetensors', '--work-dir', tmp_path / 'w'),
    )
    assert code == 1
    assert "got 'mmpretrain.RandomFlip'" in err
    assert not [*tmp_path.rglob('*.safetensors')]


def test_a_preprocessor_of_the_config_is_in_the_file(tool, tmp_path):
    root = write_folder(tmp_path / 'data')
    said = "dict(type='mmengine.ImgDataPreprocessor',mean=[9.,9.,9.],std=[{}])"
    scores = []
    for i, std in enumerate(('255.,255.,255.', '99.,99.,99.')):
        file = tmp_path / f'{i}.safetensors'
        config = tmp_path / f'{i}.py'
        config.write_text(
            f"_base_ = ['{MEMORY}']\ndata_preprocessor = {said.format(std)}\n"
        )
        code, _, err = tool(
            *('fit.py', config, '--images', root / 'good', '--out', file),
            *('--work-dir', tmp_path / f'w{i}'),
            *('--cfg-options', *SMALL, TEACHER),
        )
        assert code == 0, err
        saved = ModelFile.read(file).model['data_preprocessor']
        assert saved['std'] == [float(x) for x in std.split(',')]
        code, _, err = tool(
            *('predict.py', file, root / 'dent', '--out', tmp_path / f'o{i}')
        )
        assert code == 0, err
        rows = json.loads((tmp_path / f'o{i}/predictions.json').read_text())
        scores.append(rows['images'][0]['score'])
    assert scores[0] != scores[1]
