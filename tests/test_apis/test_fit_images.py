"""Models fitted and updated from Python, against fits by the tools' code."""

import logging
import os
import random

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.registry import DefaultScope
from PIL import Image

from mmcvgssl.apis import AnomalyInspector, get_config
from mmcvgssl.apis.fit import fit_model
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.model_file import ModelFile
from mmcvgssl.models.anomaly import FittedStateError
from mmcvgssl.models.anomaly.blocks import is_held_out
from tests.data import picture

SMALL = {'input_size': 32}
TEACHER = {'model.teacher.input_size': 32}
METHODS = {
    'patchcore': 'patchcore_lite0_folder',
    'PaDiM': 'padim_lite0_folder',
    'mahalanobis-ad': 'mahalanobis-ad_lite0_folder',
}


def options(method: str) -> dict:
    return {**SMALL, **(TEACHER if method == 'PaDiM' else {})}


def fit(images, method='patchcore', rate=0.4, **kwargs) -> AnomalyInspector:
    given = dict(options=options(method), show_progress=False)
    return AnomalyInspector.fit(images, method, rate, **{**given, **kwargs})


def scores(inspector, images) -> list[float]:
    return [result.score for result in inspector(images, show_progress=False)]


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    """Write twenty pictures, of two shapes."""
    folder = tmp_path_factory.mktemp('good')
    for i in range(20):
        image = picture(3 * i, 40)
        image.crop((0, 0, 40, 40 - 8 * (i % 2))).save(folder / f'{i:02d}.png')
    return sorted(folder.iterdir())


@pytest.fixture(scope='module')
def tested(tmp_path_factory):
    folder = tmp_path_factory.mktemp('tested')
    for i in range(3):
        picture(i, 40).save(folder / f'{i}.png')
    return sorted(folder.iterdir())


def state_of_the_process() -> dict:
    return {
        'scopes': list(DefaultScope._instance_dict),
        'loggers': list(MMLogger._instance_dict),
        'random': random.getstate()[1][-1],
        'numpy': np.random.get_state()[2],
        'torch': torch.get_rng_state().sum(),
        'threads': torch.get_num_threads(),
        'grad': torch.is_grad_enabled(),
        'dtype': torch.get_default_dtype(),
        'folder': os.getcwd(),
        'files': sorted(os.listdir('.')),
        'environment': dict(os.environ),
        'root level': logging.getLogger().level,
    }


@pytest.mark.parametrize('method', ['patchcore', 'mahalanobis-ad'])
def test_a_model_is_the_one_that_the_tool_fits(
    method, good, tested, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = state_of_the_process()
    folder = fit(good[0].parent, method)
    listed = fit([str(path) for path in good], method)
    made = [folder, listed]
    if method == 'patchcore':
        made.append(fit((np.asarray(Image.open(p)) for p in good), method))
        arrays = [np.asarray(Image.open(path)) for path in good[:10]]
        made.append(fit([*arrays, *good[10:]], method))
    expected = scores(folder, tested)
    assert state_of_the_process() == before

    cfg = get_config(METHODS[method], options(method))
    cfg.work_dir, cfg.launcher = str(tmp_path / 'work'), 'none'
    cfg.fit_dataloader.num_workers = 0
    file = tmp_path / 'tool.safetensors'
    by_tool = fit_model(cfg, file, good[0].parent, 0.4)
    for one in made:
        assert scores(one, tested) == expected
        assert one.threshold == folder.threshold
        for key, value in by_tool.tensors.items():
            # pictures in memory are known by the files they are written to
            same = torch.equal(one.content.tensors[key], value)
            assert same or key == 'update.held_out', key
    assert scores(AnomalyInspector(file), tested) == expected
    ours, theirs = folder.content.provenance, by_tool.provenance
    assert ours['files'] == theirs['files']
    differ = {k for k, v in ours['values'].items() if theirs['values'][k] != v}
    assert differ == set()

    saved = tmp_path / 'saved.safetensors'
    made[-1].save(saved)
    again = AnomalyInspector(saved)
    assert scores(again, tested) == expected
    if len(made) > 2:
        names = again.content.provenance['files']['fit_images']
        assert sorted(names)[0] == 'image-00000.png'


@pytest.mark.parametrize('method', ['patchcore', 'mahalanobis-ad'])
def test_an_update_equals_a_fit_to_all(method, good, tested, tmp_path):
    whole, model = fit(good, method), fit(good[:12], method)
    model.save(tmp_path / 'model.safetensors')
    kept = scores(model, tested)
    assert model.update(good[12:], earlier_images=good[:12]) is model
    assert scores(model, tested) == pytest.approx(
        scores(whole, tested), rel=1e-6
    )
    assert model.threshold == pytest.approx(whole.threshold, rel=1e-6)
    assert model.content.chosen == whole.content.chosen
    for key, value in whole.content.tensors.items():
        # any axes will do for equal eigenvalues, and any guess of the mean
        if key.endswith('whiten') or key.startswith('update.moments'):
            continue
        found = model.content.tensors[key]
        torch.testing.assert_close(found, value, rtol=1e-6, atol=1e-6)

    # the file is as it was, and a model of it goes on with what it has
    other = AnomalyInspector(tmp_path / 'model.safetensors')
    assert scores(other, tested) == kept
    other.update(map(Image.open, good[12:]))
    assert other.content.chosen['good_images'] == 4
    assert 'scored before' in other.content.chosen['note']
    assert scores(other, tested) == pytest.approx(
        scores(whole, tested), rel=1e-6
    )
    tables = other.content.provenance['files']
    assert len(tables['fit_images']) == 12
    assert len(tables['update_1.new_images']) == 8
    other.save(tmp_path / 'other.safetensors')
    last = AnomalyInspector(tmp_path / 'other.safetensors')
    assert scores(last, tested) == scores(other, tested)
    last.update([np.asarray(picture(90, 40)), picture(91, 40)])
    assert len(last.content.provenance['files']['update_2.new_images']) == 2


def test_padim_is_known_by_its_name(good, tested):
    model = fit(good[:4], 'PaDiM', 'none')
    assert model.content.model['type'] == 'mmcvgssl.PaDiM'
    assert len(scores(model.update(good[4:6]), tested)) == 3


@pytest.mark.parametrize(
    ('more', 'earlier', 'words'),
    [
        (slice(3, 5), None, r'learned from 2 \(.*\) of 2 images before'),
        (slice(14, 20), slice(0, 3), '2 of the 2 images that'),
        (slice(0, 0), None, 'expected images as images to update with'),
        (slice(10, 11), None, 'all 1 new images are held out'),
    ],
)
def test_an_update_is_refused_and_changes_nothing(
    more, earlier, words, good, tested
):
    assert is_held_out(10, 5)
    model = fit(good[:10])
    before = scores(model, tested)
    given = None if earlier is None else good[earlier]
    with pytest.raises(ValueError, match=words):
        model.update(good[more], given)
    assert scores(model, tested) == before


def test_broken_new_images_are_named(good, tested, tmp_path):
    model = fit(good[:12])
    broken = tmp_path / 'broken.png'
    broken.write_bytes(good[13].read_bytes()[:200])
    before = scores(model, tested)
    with pytest.raises(UnreadableImageError, match=r'broken\.png'):
        model.update([*good[12:16], broken])
    with pytest.raises(UnreadableImageError, match=r'broken\.png'):
        fit([*good[:12], broken])
    assert scores(model, tested) == before


def test_other_models_and_older_files_are_not_updated(good, tmp_path):
    collection = AnomalyInspector.fit(
        good[:8],
        'musc',
        options={**SMALL, 'model.references': 4},
        show_progress=False,
    )
    with pytest.raises(ValueError, match='got a MuSc: fit it anew'):
        collection.update(good[8:])
    model = fit(good[:12])
    content: ModelFile = model.content
    old = {k: v for k, v in content.tensors.items() if k[:7] != 'update.'}
    content.tensors = old
    file = tmp_path / 'old.safetensors'
    model.save(file)
    with pytest.raises(FittedStateError, match=r'old\.safetensors: expected'):
        AnomalyInspector(file).update(good[12:])


@pytest.mark.parametrize(
    ('images', 'kwargs', 'words'),
    [
        ([], {}, 'expected images as images to fit to, got none'),
        (['nowhere.png'], {}, r'nowhere\.png'),
        ('nowhere', {}, 'found no nowhere'),
        ([None], {}, 'got None'),
        ([np.zeros((8, 8))], {}, 'uint8, uint16, float32, got float64'),
        ([np.full((8, 8), np.nan, np.float32)], {}, 'no numbers'),
        ([np.zeros((8, 8, 4), np.uint8)], {}, 'drop opacity'),
        (5, {}, 'good images, got 1.*of 5 so many are held'),
        (5, {'method': 'cutpaste'}, 'trains a network'),
        (5, {'method': 'cutpaste-3way_resnet18_folder'}, 'mmcvgssl one-class'),
        (5, {'method': 'padm'}, "got 'padm'"),
        (5, {'method': None}, 'got None'),
        (5, {'rate': 0}, "or 'none' for no threshold, got 0"),
        (5, {'rate': 1.5}, 'between 0 and 1.*got 1.5'),
        (5, {'rate': 'high'}, "got 'high'"),
        (5, {'rate': float('nan')}, 'got nan'),
        (1, {'rate': 'none', 'method': 'untrained_lite0_folder'}, 'at least'),
    ],
)
def test_bad_input_is_refused(images, kwargs, words, good):
    given = good[:images] if isinstance(images, int) else images
    with pytest.raises((OSError, TypeError, ValueError), match=words):
        fit(given, **kwargs)


def test_one_image_is_enough_without_a_threshold(good, tested):
    model = fit(good[0], rate='none')
    assert model.threshold is None
    assert scores(model, good[0]) == [pytest.approx(0, abs=1e-3)]
    assert len(scores(model.update(good[1]), tested)) == 3


def test_colours_in_floats_are_read_as_they_are(good):
    arrays = [
        np.asarray(picture(3 * i, 40)).astype(np.float32) / 255
        for i in range(4)
    ]
    options = {**SMALL, 'depth_range': (0, 1)}
    model = fit(arrays, 'mahalanobis-ad', 'none', options=options)
    assert len(scores(model, arrays)) == 4
    with pytest.raises(UnreadableImageError, match='fit the model with depth'):
        scores(fit(good[:4], rate='none'), arrays)


def test_deep_images_are_read_as_from_files(good, tested, tmp_path):
    paths, arrays = [], []
    for i in range(6):
        grey = np.asarray(picture(3 * i, 40, 'L')).astype(np.uint16) * 16
        arrays.append(grey)
        paths.append(tmp_path / f'{i}.png')
        Image.fromarray(grey).save(paths[-1])
    by_path, by_array = fit(paths, rate='none'), fit(arrays, rate='none')
    step = by_path.content.images['pipeline'][0]
    assert step['depth_range'] is not None
    assert by_array.content.images == by_path.content.images
    assert scores(by_array, arrays) == scores(by_path, paths)
