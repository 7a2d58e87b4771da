"""Predicting images from one model file."""

import csv
import json
import os
import signal
from multiprocessing import active_children

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmcvgssl import processes
from mmcvgssl.apis import MapFolder, find_mapped_images
from mmcvgssl.apis.predict import Predictor, find_images, overlay
from mmcvgssl.apis.prediction import workers as readers_of
from mmcvgssl.apis.prediction.earlier import PartialFile
from mmcvgssl.apis.prediction.image_job import ImageJob
from mmcvgssl.apis.prediction.workers import (
    WorkerError,
    default_workers,
)
from mmcvgssl.apis.prediction_folder import Outputs, predict_to_folder
from mmcvgssl.datasets.reading import opened_image
from mmcvgssl.maps.picture import draw_heatmap
from mmcvgssl.model_file import (
    load_model,
    prediction_steps,
)
from mmcvgssl.model_file.anomaly import to_file
from mmcvgssl.registry import MODELS
from tests.data import write_broken
from tests.one_class_data import SIDE, save

PIPELINE = [
    {'type': 'mmcvgssl.LoadImage'},
    {'type': 'mmcvgssl.LoadMask'},
    {'type': 'mmcvgssl.SquareResize', 'input_size': 32},
    {'type': 'mmpretrain.PackInputs', 'algorithm_keys': ['gt_mask']},
]


BACKBONE = dict(
    type='mmpretrain.ResNet', depth=18, base_channels=4, stem_channels=4
)
CONFIG = dict(
    type='mmcvgssl.OneClassDetector', backbone=BACKBONE, false_alarm_rate=0.1
)


def write(path, steps=PIPELINE, seed=0) -> None:
    """Write a model file."""
    torch.manual_seed(seed)
    model = MODELS.build(CONFIG)
    random = torch.Generator().manual_seed(0)
    shape = (3, 32, 32)
    images = [
        torch.randint(60, 200, shape, generator=random).byte()
        for _ in range(12)
    ]
    model.fit([{'inputs': images}])
    to_file(model, CONFIG, prediction_steps(steps), 'bolt').write(path)


@pytest.fixture(scope='module')
def file(tmp_path_factory):
    """Write a model file."""
    path = tmp_path_factory.mktemp('model') / 'model.safetensors'
    init_default_scope('mmpretrain')
    write(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Write four images, one of them deeper."""
    for i in range(3):
        save(tmp_path / f'images/{i}.png', i, spot=i == 1)
    save(tmp_path / 'images/deep/3.png', 3)
    return tmp_path / 'images'


def test_a_folder_gets_scores_verdicts_and_overlays(
    file, folder, tool, tmp_path
):
    out = tmp_path / 'out'
    code, text, err = tool('predict.py', file, folder, '--out', out)
    assert code == 0, err
    content = json.loads((out / 'predictions.json').read_text())
    model = load_model(file).model
    assert content['threshold'] == model.threshold
    assert content['category'] == 'bolt'
    paths = [str(path) for path in find_images(folder)]
    assert [row['path'] for row in content['images']] == paths
    with (out / 'predictions.csv').open() as lines:
        rows = list(csv.DictReader(lines))
    for row, other in zip(content['images'], rows, strict=True):
        image = cv2.resize(cv2.imread(row['path']), (32, 32))
        chw = torch.from_numpy(image.transpose(2, 0, 1).copy())
        data = model.data_preprocessor({'inputs': [chw]})
        score = model(**data)[1].item()
        assert row['score'] == pytest.approx(score, rel=1e-3)
        above = row['score'] > model.threshold
        assert row['verdict'] == ('defective' if above else 'good')
        assert float(other['score']) == row['score']
        assert other['verdict'] == row['verdict']
        name = row['path'].removeprefix(f'{folder}/')
        drawn = cv2.imread(str(out / f'overlays/{name}.png'))
        assert drawn.shape == (SIDE, SIDE, 3)
    assert '4 images: ' in text


def test_one_image_and_batches_agree(file, folder, tool, tmp_path):
    paths = find_images(folder)
    runs = [
        [p.score for p in Predictor(file, batch_size=size)(paths)]
        for size in (1, 3)
    ]
    assert runs[0] == pytest.approx(runs[1], rel=1e-4)
    code, _, err = tool('predict.py', file, paths[0], '--out', tmp_path / 'o')
    assert code == 0, err
    content = json.loads((tmp_path / 'o/predictions.json').read_text())
    (row,) = content['images']
    assert row['score'] == pytest.approx(runs[0][0], rel=1e-4)


def test_a_broken_image_is_named_and_the_others_scored(
    file, folder, tool, tmp_path
):
    broken = write_broken(folder)
    args = ['predict.py', file, folder, '--out', tmp_path / 'out']
    code, text, err = tool(*args)
    assert code == 0, err
    assert '7 images: ' in text
    assert ' defective, 3 not read; ' in text
    content = json.loads((tmp_path / 'out/predictions.json').read_text())
    for row in content['images']:
        is_broken = row['path'] in map(str, broken)
        assert (row['score'] is None) == is_broken
        assert bool(row['error']) == is_broken
        if is_broken:
            assert row['path'] in err
    code, _, err = tool('predict.py', file, broken[0], '--out', tmp_path / 'b')
    assert code == 1
    assert 'none of 1 images can be read' in err


def test_a_picture_too_large_to_open_costs_itself_alone(
    file, folder, monkeypatch
):
    paths = find_images(folder)
    cv2.imwrite(str(paths[0]), np.zeros((300, 300), np.uint8))
    monkeypatch.setenv('MMCVGSSL_MAX_PIXELS', '40000')
    found = list(Predictor(file)(paths))
    assert '300 x 300 pixels are more than max_pixels' in found[0].error
    assert not any(p.error for p in found[1:])


def test_odd_files_cost_themselves_alone(file, folder, tool, tmp_path):
    long = 'ü' * 125 + 'y.png'  # 255 bytes
    for name in (long, 'a.png', 'b\udce9.png', 'c\nd.png', '@eaDir/0.png'):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes((folder / '0.png').read_bytes())
    (folder / 'e.png').mkdir()
    (folder / 'notes.txt').touch()
    out = tmp_path / 'out'
    # a folder stands where an overlay should
    (out / 'overlays/1.png.png/x').mkdir(parents=True)
    code, text, err = tool('predict.py', file, folder, '--out', out)
    assert code == 0, err
    content = json.loads((out / 'predictions.json').read_text())
    rows = {row['path'].split('/')[-1]: row for row in content['images']}
    assert len(rows) == 8
    for name in (r'b\xe9.png', r'c\nd.png'):
        assert rows[name]['score'] is None
        assert 'rename the file' in rows[name]['error']
        assert name in err
    assert rows[long]['score'] == pytest.approx(rows['0.png']['score'], 1e-3)
    (drawn,) = (out / 'overlays').glob('ü*')
    assert len(drawn.name.encode()) <= 255
    assert rows['1.png']['verdict']
    assert 'no overlay' in rows['1.png']['error']
    assert 'read, but: no overlay' in err
    assert ' 2 not read; ' in text
    assert 'folders of the system: 1 (@eaDir)' in text
    assert 'no image by suffix: 1 (notes.txt)' in text
    assert content['contents']['left_out'] == {
        'folders of the system': 1,
        'no image by suffix': 1,
    }


@pytest.mark.parametrize('stop', [RuntimeError, KeyboardInterrupt, SystemExit])
def test_what_was_found_outlives_a_run_that_fails(
    file, folder, tmp_path, monkeypatch, stop
):
    predictor = Predictor(file, batch_size=1)
    predict = predictor.kind.predict
    calls = []

    def fail(paths, items):
        calls.append(items)
        if len(calls) == 4:
            raise stop('at the fourth image')
        return predict(paths, items)

    monkeypatch.setattr(predictor.kind, 'predict', fail)
    out = tmp_path / 'out'
    with pytest.raises(stop):
        predict_to_folder(predictor, folder, out)
    partial = out / 'predictions.partial.jsonl'
    rows = [json.loads(line) for line in partial.read_text().splitlines()]
    assert [row['verdict'] is not None for row in rows] == [True] * 3
    monkeypatch.undo()
    assert len(predict_to_folder(predictor, folder, out)) == 4
    assert not partial.exists()
    assert (out / 'predictions.csv').is_file()


def test_a_run_that_fails_leaves_no_process(
    file, folder, tmp_path, monkeypatch
):
    def fail(lines, predictions):
        raise OSError('the disk is full')

    monkeypatch.setattr(PartialFile, 'write', fail)
    predictor = Predictor(file, batch_size=1, workers=2)
    with pytest.raises(OSError, match='the disk is full') as caught:
        predict_to_folder(predictor, folder, tmp_path / 'out')
    # whoever keeps the error keeps the frames of its traceback
    assert caught.tb is not None
    assert [p.name for p in active_children() if 'image' in p.name] == []


@pytest.mark.parametrize('workers', [0, 2])
def test_an_image_is_decoded_once_and_may_vanish_then(
    file, folder, tmp_path, monkeypatch, workers
):
    predictor = Predictor(file, workers=workers)
    predict, names = predictor.kind.predict, tmp_path / 'decoded'
    pixels = opened_image.OpenedImage.pixels

    def note(image, size=None):
        with names.open('a') as lines:
            lines.write(f'{image.path}\n')
        return pixels(image, size)

    def remove(paths, items):
        (folder / '0.png').unlink()
        return predict(paths, items)

    monkeypatch.setattr(opened_image.OpenedImage, 'pixels', note)
    monkeypatch.setattr(predictor.kind, 'predict', remove)
    found = predict_to_folder(predictor, folder, tmp_path / 'out')
    assert not any(p.error for p in found)
    assert (tmp_path / 'out/overlays/0.png.png').is_file()
    assert sorted(names.read_text().split()) == sorted(p.path for p in found)


def test_an_image_that_changes_while_it_is_read_is_named(
    file, folder, tmp_path, monkeypatch
):
    load = ImageJob.load

    def change(job, key, path, *args):
        if path.endswith('/1.png'):
            save(folder / '1.png', 9)
        return load(job, key, path, *args)

    monkeypatch.setattr(ImageJob, 'load', change)
    predictor = Predictor(file)
    found = predict_to_folder(predictor, folder, tmp_path / 'out')
    (logged,) = [p for p in found if p.error]
    assert logged.path == str(folder / '1.png')
    assert logged.score is not None
    assert 'changed while it was read' in logged.error


@pytest.mark.parametrize('size', [1, 3, 32])
def test_results_do_not_depend_on_workers(file, folder, tmp_path, size):
    for i in range(6):
        save(folder / f'more/{i}.png', 10 + i)
    write_broken(folder)
    made = []
    for workers in (0, 1, 3):
        out = tmp_path / str(workers)
        predictor = Predictor(file, batch_size=size, workers=workers)
        predict_to_folder(predictor, folder, out)
        content = json.loads((out / 'predictions.json').read_text())
        drawn = {
            str(path.relative_to(out)): path.read_bytes()
            for path in out.rglob('*.png')
        }
        made.append((content, drawn))
    assert len(made[0][1]) == 10
    assert made[0] == made[1] == made[2]


@pytest.mark.parametrize(
    ('cores', 'here', 'readers', 'threads'),
    [
        (1, True, 1, 1),
        (2, True, 2, 1),
        (4, True, 2, 2),
        (8, True, 4, 4),
        (32, True, 8, 16),
        (2, False, 2, 1),
        (8, False, 8, 4),
        (32, False, 8, 16),
    ],
)
def test_cores_are_shared(monkeypatch, cores, here, readers, threads):
    for module in (processes, readers_of):
        monkeypatch.setattr(module, 'available_cores', lambda: cores)
    assert default_workers(here) == readers
    assert processes.compute_threads() == threads


def test_threads_of_the_process_stay_what_they_are(file, folder, monkeypatch):
    monkeypatch.setattr(processes, 'available_cores', lambda: 5)
    predictor = Predictor(file, batch_size=1, workers=1)
    predict, within, beside = predictor.kind.predict, [], []

    def note(paths, items):
        within.append(torch.get_num_threads())
        return predict(paths, items)

    monkeypatch.setattr(predictor.kind, 'predict', note)
    before = torch.get_num_threads()
    torch.set_num_threads(4)
    try:
        for _ in predictor(find_images(folder)):
            beside.append(torch.get_num_threads())
    finally:
        torch.set_num_threads(before)
    assert within == [2] * 4
    assert beside == [4] * 4


def test_a_worker_that_is_ended_is_named_and_the_next_run_goes_on(
    file, folder, tmp_path, monkeypatch
):
    out, draw = tmp_path / 'out', ImageJob.draw

    def end(job, key, *args):
        if key == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return draw(job, key, *args)

    monkeypatch.setattr(ImageJob, 'draw', end)
    predictor = Predictor(file, workers=1, batch_size=2)
    with pytest.raises(WorkerError, match=r'by signal SIGKILL, .*again'):
        predict_to_folder(predictor, folder, out)
    partial = out / 'predictions.partial.jsonl'
    done = [json.loads(line) for line in partial.read_text().splitlines()]
    assert len(done) == 2
    monkeypatch.undo()
    save(folder / '0.png', 7)  # the first of those that are done
    predict, seen = predictor.kind.predict, []

    def note(paths, items):
        seen.extend(paths)
        return predict(paths, items)

    monkeypatch.setattr(predictor.kind, 'predict', note)
    found = predict_to_folder(predictor, folder, out)
    kept = {row['path']: row['score'] for row in done}
    again = set(seen)
    assert str(folder / '0.png') in again
    assert len(again) == 3
    for p in found:
        assert (kept.get(p.path) == p.score) == (p.path not in again)
    fresh = [
        p.score for p in Predictor(file, batch_size=2)(find_images(folder))
    ]
    assert [p.score for p in found] == pytest.approx(fresh, rel=1e-6)


def test_options_change_what_is_written(file, folder, tool, tmp_path):
    out = tmp_path / 'out'
    args = ['predict.py', file, folder, '--out', out]
    code, _, err = tool(*args, '--threshold', '-1', '--no-overlay', '--map')
    assert code == 0, err
    content = json.loads((out / 'predictions.json').read_text())
    assert content['threshold'] == -1
    assert content['chosen'] == {'method': 'given'}
    assert content['model']['file'] == 'model.safetensors'
    assert content['overlays'] is None
    assert {row['verdict'] for row in content['images']} == {'defective'}
    assert not (out / 'overlays').exists()
    maps = MapFolder(out / 'maps')
    mapped = find_mapped_images(maps, folder)
    assert len(mapped.paths) == 4
    predicted = {p.path: p for p in Predictor(file)(find_images(folder))}
    for name in mapped.paths:
        values = predicted[str(folder / name)].anomaly_map
        np.testing.assert_allclose(
            maps.load_map(name), values, rtol=1e-3, atol=1e-6
        )
    code, _, err = tool(*args, '--workers', '2')
    assert code == 0, err
    assert len([*(out / 'earlier').glob('*/predictions.json')]) == 1
    for wrong in ('nan', 'inf'):
        code, _, err = tool(*args, '--threshold', wrong)
        assert code == 1
        assert 'expected a finite threshold' in err.splitlines()[-1]


def test_the_map_of_an_image_that_changed_is_kept_and_it_is_said(
    file, folder, tool, tmp_path
):
    args = ['predict.py', file, folder, '--out', tmp_path / 'out', '--map']
    assert tool(*args)[0] == 0
    maps = tmp_path / 'out/maps'
    first = (maps / '0.npy').read_bytes()
    (maps / '2.npy').write_bytes(b'damaged')
    save(folder / '0.png', 9)
    code, text, err = tool(*args)
    assert code == 0, err
    assert (
        '1 image (0.png) of 4 changed since the maps were made' in err + text
    )
    assert '1 map (2.png) not as written' in err + text
    (kept,) = (maps / 'earlier/images').glob('0-*.npy')
    assert kept.read_bytes() == first
    assert (maps / '0.npy').read_bytes() != first
    assert len(find_mapped_images(MapFolder(maps), folder).paths) == 4


def test_a_jpeg_read_smaller_is_drawn_on_as_it_was_read(tmp_path):
    steps = [dict(step) for step in PIPELINE]
    steps[0]['input_size'] = 32
    init_default_scope('mmpretrain')
    write(tmp_path / 'm.safetensors', steps)
    image = np.full((160, 128, 3), 90, np.uint8)
    (tmp_path / 'images').mkdir()
    cv2.imwrite(str(tmp_path / 'images/a.jpg'), image)
    predictor = Predictor(tmp_path / 'm.safetensors')
    for full, shape in ((False, (40, 32, 3)), (True, (160, 128, 3))):
        out = tmp_path / str(full)
        outputs = Outputs(full_overlays=full)
        (p,) = predict_to_folder(
            predictor, tmp_path / 'images', out, outputs=outputs
        )
        assert p.size == (160, 128)
        assert cv2.imread(str(out / 'overlays/a.jpg.png')).shape == shape


def test_colours_span_the_map_where_no_threshold_is_known():
    image = np.full((20, 30, 3), 100, np.uint8)
    values = np.linspace(5, 6, 24, dtype=np.float32).reshape(4, 6)
    drawn = draw_heatmap(image, anomaly_map=values, map_threshold=None)
    same = draw_heatmap(image, anomaly_map=values - 5, map_threshold=0.5)
    assert np.abs(drawn.astype(int) - same).max() <= 1


@pytest.mark.parametrize('place', ['out', '.', '..'])
def test_overlays_are_no_input(file, folder, tool, place):
    args = ['predict.py', file, folder, '--out', folder / place]
    for _ in range(2):
        code, text, err = tool(*args)
        assert code == 0, err
        assert '4 images: ' in text
    with pytest.raises(ValueError, match='1 or more'):
        Predictor(file, batch_size=0)


@pytest.mark.parametrize(
    ('model', 'images', 'message'),
    [
        ('none.safetensors', '.', 'no model file'),
        ('text', '.', 'is no model file'),
        ('file', 'nowhere', 'expected an image, a folder or a list of images'),
        ('file', 'empty', 'no images'),
    ],
)
def test_bad_input_is_named(file, tool, tmp_path, model, images, message):
    (tmp_path / 'empty').mkdir()
    (tmp_path / 'text').write_text('no model')
    path = file if model == 'file' else tmp_path / model
    args = ['predict.py', path, tmp_path / images, '--out', tmp_path / 'out']
    code, _, err = tool(*args)
    assert code == 1
    assert message in err.rpartition('ERROR')[2]
    assert not (tmp_path / 'out').exists()


def test_an_overlay_is_red_where_the_map_is_high():
    image = np.full((20, 30, 3), 100, np.uint8)
    anomaly_map = np.zeros((4, 6), np.float32)
    anomaly_map[0, 0] = 9
    drawn = overlay(image, anomaly_map, map_threshold=2.0)
    assert drawn.shape == image.shape
    blue, _, red = drawn[0, 0]
    assert red > blue
    blue, _, red = drawn[-1, -1]
    assert blue > red
    assert (image == 100).all()


def test_predictions_of_other_images_or_models_are_kept(
    file, folder, tool, tmp_path
):
    out = tmp_path / 'out'

    def predict(model):
        code, _, err = tool('predict.py', model, folder, '--out', out)
        assert code == 0, err
        content = json.loads((out / 'predictions.json').read_text())
        drawn = sorted((out / 'overlays').rglob('*.png'))
        assert len(drawn) == len(content['images'])
        return content, sorted((out / 'earlier').glob('*/predictions.json'))

    first, kept = predict(file)
    assert not kept
    assert predict(file) == (first, [])  # the same once more
    (folder / 'deep/3.png').unlink()
    second, kept = predict(file)
    assert len(second['images']) == 3
    assert [json.loads(path.read_text()) for path in kept] == [first]
    assert len([*(out / 'earlier').rglob('*.png')]) == 4
    write(tmp_path / 'other.safetensors', seed=1)
    _, kept = predict(tmp_path / 'other.safetensors')
    assert len(kept) == 2
    (out / 'provenance.json').unlink()
    code, _, err = tool('predict.py', file, folder, '--out', out)
    assert code == 1
    assert 'what it depends on' in err.splitlines()[-1]
