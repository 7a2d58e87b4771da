"""Images in tiles through fit, test, predict, maps and boxes."""

import json

import cv2
import numpy as np
import pytest
from mmengine.config import Config

from mmcvgssl.apis import MapFolder
from mmcvgssl.model_file import ModelFile, load_model
from mmcvgssl.runner.image_reading import hand_down
from tests.data import CONFIGS
from tests.one_class_data import narrow, tiny_options

ANOMALY = CONFIGS / 'anomaly'
SMALL = ['fit_dataloader.num_workers=0', 'model.teacher.input_size=32']
LEVEL = 'model.teacher.levels=[1]'  # of stride 4
TILES = ['input_size=32', 'tile=auto', 'overlap=8']
SPOT = 40, 150  # row and column


def write(root, size=(64, 200)):
    """Write good strips, and strips with a spot of 5 pixels."""
    for name, count in (('good', 10), ('dent', 3)):
        (root / name).mkdir(parents=True)
        for i in range(count):
            random = np.random.RandomState(100 * len(name) + i)
            image = random.randint(90, 110, size).astype(np.uint8)
            if name == 'dent':
                y, x = SPOT
                image[y : y + 5, x : x + 5] = 0
            cv2.imwrite(str(root / name / f'{i}.png'), image)
    return root


@pytest.mark.parametrize(
    ('recipe', 'options'),
    [
        ('patchcore/patchcore_lite0_folder.py', ['model.top=0', LEVEL]),
        ('musc/musc_lite0_folder.py', ['model.references=6', LEVEL]),
    ],
)
def test_all_tools_agree_on_images_in_tiles(recipe, options, tool, tmp_path):
    root, file = write(tmp_path / 'data'), tmp_path / 'model.safetensors'
    learned = root if 'musc' in recipe else root / 'good'
    code, _, err = tool(
        *('fit.py', ANOMALY / recipe, '--images', learned, '--out', file),
        *('--work-dir', tmp_path / 'work', '--false-alarm-rate', 'none'),
        *('--cfg-options', *SMALL, *TILES, *options),
    )
    assert code == 0, err
    read, cut, packed = ModelFile.read(file).images['pipeline']
    assert 'input_size' not in read
    assert (cut['tile'], cut['overlap']) == ('auto', 8)
    assert 'tiles' in packed['meta_keys']

    code, _, err = tool(
        *('test.py', file, '--images', root, '--out', tmp_path / 'm.json'),
        *('--work-dir', tmp_path / 'test'),
        *('--cfg-options', 'test_dataloader.num_workers=0'),
    )
    assert code == 0, err
    metrics = json.loads((tmp_path / 'm.json').read_text())
    assert metrics['image_auroc'] == 1

    out = tmp_path / 'out'
    code, _, err = tool('predict.py', file, root, '--out', out, '--map')
    assert code == 0, err
    rows = json.loads((out / 'predictions.json').read_text())['images']
    scores = {row['path']: row['score'] for row in rows}
    drawn = cv2.imread(str(out / 'overlays/dent/0.png.png'))
    assert drawn.shape == (64, 200, 3)

    code, _, err = tool(
        *('make_maps.py', file, '--images', root / 'dent'),
        *('--out', tmp_path / 'maps', '--work-dir', tmp_path / 'log'),
        *('--cfg-options', 'test_dataloader.num_workers=0'),
    )
    assert code == 0, err
    maps, predicted = MapFolder(tmp_path / 'maps'), MapFolder(out / 'maps')
    for entry in maps:
        score = scores[str(root / 'dent' / entry.path)]
        assert entry.score == pytest.approx(score, rel=1e-4)
        values = maps.load_map(entry.path)
        assert values.shape == (15, 46)  # 8 values on 32 pixels
        other = predicted.load_map(f'dent/{entry.path}')
        assert np.allclose(values, other, rtol=1e-2)

    code, _, err = tool(
        *('maps_to_boxes.py', tmp_path / 'maps', root / 'dent'),
        *('--out', tmp_path / 'boxes.json'),
        *('--min-area', '0', '--top-k', '1'),
    )
    assert code == 0, err
    coco = json.loads((tmp_path / 'boxes.json').read_text())
    assert len(coco['annotations']) == 3
    for box in coco['annotations']:
        x, y, width, height = box['bbox']
        assert x <= SPOT[1] + 2 <= x + width
        assert y <= SPOT[0] + 2 <= y + height


@pytest.mark.parametrize(
    ('options', 'said'),
    [
        (['tile=512', 'overlap=512'], 'overlap=512: expected a number of pix'),
        (['tile=16'], 'tile=16: expected'),
        (['tile=big'], "tile='big': expected 'auto'"),
        (['overlap=8'], 'overlap=8 is that of tiles, and there are none'),
    ],
)
def test_options_of_no_use_are_refused_before_work(
    options, said, tool, tmp_path
):
    root = write(tmp_path / 'data', (32, 32))
    code, out, err = tool(
        *('fit.py', ANOMALY / 'patchcore/patchcore_lite0_folder.py'),
        *('--images', root / 'good', '--out', tmp_path / 'm.safetensors'),
        *('--work-dir', tmp_path / 'work', '--cfg-options', *SMALL, *options),
    )
    assert code == 1
    assert said in err.rpartition('ERROR: ')[2], out
    assert not (tmp_path / 'work/fitted.safetensors').exists()


def test_what_is_trained_is_trained_on_tiles(tool, tmp_path):
    root, file = write(tmp_path / 'data'), tmp_path / 'm.safetensors'
    options = tiny_options(root) | narrow() | {'model.in_channels': 32}
    options |= {'tile': 32, 'overlap': 0}
    options |= {'detector.false_alarm_rate': 0.3, 'detector.holdout': 0.3}
    code, _, err = tool(
        *('fit.py', ANOMALY / 'cutpaste/cutpaste-3way_resnet18_cpu_folder.py'),
        *('--images', root / 'good', '--out', file),
        *('--work-dir', tmp_path / 'work', '--cfg-options'),
        *(f'{key}={value}' for key, value in options.items()),
    )
    assert code == 0, err
    loaded = load_model(file)
    assert loaded.content.images['pipeline'][1]['tile'] == 32
    results = {'img_path': str(root / 'dent/0.png'), 'category': ''}
    for step in loaded.transforms:
        results = step(results)
    assert results['inputs'].shape == (14, 3, 32, 32)
    (config,) = (tmp_path / 'work').rglob('train/cutpaste*.py')
    steps = Config.fromfile(config).train_dataloader.dataset.pipeline
    kinds = [step.type.rpartition('.')[2] for step in steps]
    assert kinds[:3] == ['Cached', 'RandomTile', 'SquareResize']
    (read,) = steps[0].transforms
    assert read.type == 'mmcvgssl.LoadImage'
    assert 'input_size' not in read
    out = tmp_path / 'out'
    code, _, err = tool('predict.py', file, root / 'dent', '--out', out)
    assert code == 0, err


def test_a_file_says_itself_how_images_are_cut(tool, tmp_path):
    root, file = write(tmp_path / 'data', (40, 40)), tmp_path / 'm.safetensors'
    recipe = ANOMALY / 'patchcore/patchcore_lite0_folder.py'
    code, _, err = tool(
        *('fit.py', recipe, '--images', root / 'good', '--out', file),
        *('--work-dir', tmp_path / 'work', '--false-alarm-rate', 'none'),
        *('--cfg-options', *SMALL, 'input_size=32', LEVEL),
    )
    assert code == 0, err
    # a config in its place may say it, too
    config = tmp_path / 'other.py'
    config.write_text(f'_base_ = {str(recipe)!r}\ntile = 32\ninput_size = 32')
    shapes = {}
    for name, more in (('file', ()), ('config', ('--config', config))):
        out = tmp_path / name
        code, _, err = tool(
            *('predict.py', file, root / 'dent', '--out', out, '--map', *more)
        )
        assert code == 0, err
        shapes[name] = MapFolder(out / 'maps').load_map('0.png').shape
    assert shapes['config'] > shapes['file']
    code, _, err = tool(
        *('test.py', file, '--images', root, '--cfg-options', 'tile=64'),
    )
    assert code == 1
    assert 'tile cannot be set' in err
    code, _, err = tool(
        *('test.py', recipe, file, '--work-dir', tmp_path / 'test'),
        *('--cfg-options', f'data_root={root}', 'test_ann_file=', 'tile=64'),
    )
    assert code == 1
    assert 'reads images with tile=None, and tile=64 is set' in err


@pytest.mark.parametrize('members', [False, True])
def test_normal_images_that_are_read_whole_are_refused_early(members):
    """Before weights of a CLIP are looked for, of which there are none."""
    known = {'name': 'a', 'good': ['{}'], 'defects': ['{}']}
    knowledge = {'a': {**known, 'normal_images': ['a.png']}}
    model = dict(type='mmcvgssl.KeAD', knowledge=knowledge, k=1)
    if members:
        model = dict(type='mmcvgssl.MapEnsemble', members=[model])
    resize = dict(type='mmcvgssl.SquareResize', input_size=32)
    loader = dict(dataset=dict(pipeline=[resize]))
    cfg = Config(dict(model=model, fit_dataloader=loader, tile=64))
    with pytest.raises(ValueError, match='`normal_images` of a out there'):
        hand_down(cfg)
    cfg = Config(dict(model=model, fit_dataloader=loader))
    hand_down(cfg)
