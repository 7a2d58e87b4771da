"""What a model file says, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save

from mmcvgssl.model_file import (
    ModelFile,
    ModelFileError,
    WeightsOf,
    is_model_file,
    load_model,
)
from mmcvgssl.model_file.frozen import plain_config
from mmcvgssl.models.anomaly.fitted_state import read_notes

STEPS = [{'type': 'mmcvgssl.LoadImage'}, {'type': 'mmpretrain.PackInputs'}]
NOTES = dict(model={'type': 'mmcvgssl.PatchCore'}, images={'pipeline': STEPS})


def content(**options) -> ModelFile:
    return ModelFile(
        kind='anomaly',
        tensors={'state.b': torch.ones(2), 'state.a': torch.zeros(3)},
        weights=[WeightsOf(['teacher'], 'abc', 'package:x', False)],
        **{**NOTES, **options},
    )


def test_equal_contents_are_equal_bytes(tmp_path):
    written = content(category='bolt', remarks=['alike'], chosen={'n': 3})
    path = tmp_path / 'model.safetensors'
    written.write(path)
    assert all(
        content(category='bolt', remarks=['alike'], chosen={'n': 3}).to_bytes()
        == path.read_bytes()
        for _ in range(5)
    )
    again = ModelFile.read(path)
    assert again.weights == written.weights
    assert again.category == 'bolt'
    assert again.remarks == ['alike']
    assert load_file(path)['state.a'].tolist() == [0, 0, 0]
    assert is_model_file(path)
    assert not is_model_file('configs/a.py')


def test_another_file_of_the_name_is_moved_not_lost(tmp_path):
    path = tmp_path / 'model.safetensors'
    content().write(path)
    first = path.read_bytes()
    content().write(path)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    content(category='nut').write(path)
    (kept,) = (tmp_path / 'earlier').glob('*/model.safetensors')
    assert kept.read_bytes() == first
    with pytest.raises(ValueError, match=r'ends in \.safetensors'):
        content().write(tmp_path / 'model.pt')


def changed(data: bytes, **notes) -> bytes:
    """Write other notes into a file; None leaves one out."""
    own = {**read_notes(data), **notes}
    texts = {k: json.dumps(v) for k, v in own.items() if v is not None}
    return save({'state.a': torch.zeros(3)}, texts)


def exotic(data: bytes) -> bytes:
    """Turn a tensor into numbers that torch does not have."""
    start = 8 + int.from_bytes(data[:8], 'little')
    header = json.loads(data[8:start])
    header['state.b'].update(dtype='F4', shape=[16])
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, 'little') + text + data[start:]


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (lambda data: b'no model', 'is no model file, or is cut off'),
        (lambda data: data[:40], 'is no model file, or is cut off'),
        (lambda data: data[:-4], 'cut off or damaged'),
        (exotic, 'cut off or damaged'),
        (lambda data: save({'x': torch.ones(1)}), 'is no model file'),
        (
            lambda data: save(
                {'x': torch.ones(1)}, {'settings': '{"model": "KeAD"}'}
            ),
            'what a KeAD has learned, without the model',
        ),
        (lambda data: changed(data, format='other'), 'no model file'),
        (lambda data: changed(data, version=3), 'version 3 of the format'),
        (lambda data: changed(data, version=None), 'reads versions 1 and 2'),
        (lambda data: changed(data, kind='poem'), "got 'poem'"),
        (lambda data: changed(data, kind=None), '`kind` is missing'),
        (lambda data: changed(data, model=[]), '`model` is missing or dam'),
        (lambda data: changed(data, classes=[1]), 'texts in `classes`'),
        (lambda data: changed(data, weights=[{}]), 'damaged'),
        (lambda data: changed(data, weights=[3]), 'damaged'),
        (lambda data: changed(data, images={}), 'pipeline'),
        (lambda data: changed(data), 'expected weights of'),
    ],
)
def test_what_is_no_model_file_is_refused(tmp_path, change, words):
    path = tmp_path / 'model.safetensors'
    path.write_bytes(change(content().to_bytes()))
    with pytest.raises(ValueError, match=words) as caught:
        load_model(path)
    assert 'model.safetensors' in str(caught.value)
    assert isinstance(caught.value, ModelFileError) or 'pipeline' in words


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r'no model file .*x\.safe'):
        load_model(tmp_path / 'x.safetensors')


def test_a_file_is_described():
    made = content(category='bolt', licences=['photos: ours'])
    made.tensors['state.operating_point'] = torch.tensor([0.5, 0.05, 0, 0])
    made.chosen = dict(
        method='held-out', good_images=64, expected_false_alarm_rate=0.046
    )
    text = made.describe()
    for words in (
        'anomaly model PatchCore',
        'category bolt',
        'threshold 0.5',
        'held-out on 64 good images',
        '4.6 %',
        'package:x: needed beside it',
        'licence: photos: ours',
    ):
        assert words in text


def test_a_description_of_odd_values_says_unknown():
    made = content(chosen={'test_accuracy': 'x', 'images': None})
    made.tensors['state.operating_point'] = torch.tensor([0.5])
    made.chosen['expected_false_alarm_rate'] = [1]
    text = made.describe()
    assert 'false alarms to expect: unknown' in text
    assert 'test images: unknown' in text


@pytest.mark.parametrize(
    ('value', 'plain'),
    [
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([1, 2]), [1, 2]),
        (torch.tensor(2.0), 2.0),
        (Path('a/b'), 'a/b'),
        ((1, 'x', None, True), [1, 'x', None, True]),
    ],
)
def test_values_of_a_config_stay_what_they_are(value, plain):
    assert plain_config({'top': value}) == {'top': plain}


@pytest.mark.parametrize('value', [len, object(), {1, 2}, 1j])
def test_what_json_cannot_hold_is_refused_not_turned_into_text(value):
    with pytest.raises(ModelFileError, match=type(value).__name__):
        plain_config({'top': value})
