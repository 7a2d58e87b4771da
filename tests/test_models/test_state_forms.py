"""Fitted states whose tensors are not those that a model keeps."""

import json
import re

import pytest
import torch
from safetensors.torch import save

from mmcvgssl.models.anomaly import (
    FittedStateError,
    MahalanobisAD,
    MapEnsemble,
    MuSc,
    PaDiM,
    PatchCore,
)
from mmcvgssl.models.anomaly.fitted_state import read_tensors
from mmcvgssl.models.anomaly.updatable import Updatable
from tests.clips import KNOWLEDGE, all_clips, batch_of, make_kead
from tests.test_models.test_anomaly import LocalTeacher, batches
from tests.test_models.test_one_class_detector import batches as photos
from tests.test_models.test_one_class_detector import make

CURVE = {'calibration': {'quantile': 0.9}}


def _memory(**kwargs):
    return PatchCore(LocalTeacher(), coreset_size=20, **kwargs)


def _kead(**kwargs):
    clip = all_clips()['plain']
    return make_kead(clip, knowledge=KNOWLEDGE, k=1, **kwargs)


MAKE = {
    'memory': lambda: _memory(local_scale=3, **CURVE),
    'memory, threshold': lambda: _memory(false_alarm_rate=0.5),
    'gaussian': lambda: MahalanobisAD(LocalTeacher(), image_score='sum'),
    'gaussian of places': lambda: PaDiM(
        LocalTeacher(), neighbourhood=3, channels=5
    ),
    'mutual': lambda: MuSc(LocalTeacher(), references=6),
    'kead': _kead,
    'ensemble': lambda: MapEnsemble([_memory(**CURVE), _memory()], **CURVE),
    'one-class': make,
    'one-class, kde': lambda: make(density='kde'),
    'one-class, patches': lambda: make(
        patch={'size': 32, 'stride': 16, 'shared': False}
    ),
}


@pytest.fixture(scope='module', params=MAKE)
def case(request):
    """A model that is not fitted, and the tensors and texts of one that is."""
    new, model = MAKE[request.param](), MAKE[request.param]()
    if request.param == 'kead':
        model.fit([batch_of([0, 1], ['strip', 'tile'])])
    else:
        one_class = request.param.startswith('one-class')
        model.fit(photos() if one_class else batches(20))
        if isinstance(model, Updatable):
            model.note_images(['0f' * 16, 'f0' * 16])
    data = model.fitted_bytes()
    new.load_fitted_bytes(data)
    assert new.fingerprint() == model.fingerprint()
    return MAKE[request.param](), read_tensors(data), model._notes()


MUTATIONS = {
    'missing': None,
    'one axis more': lambda v: v[None],
    'narrower': lambda v: v[..., :-1].contiguous(),
    'wider': lambda v: torch.cat([v, v[..., :1]], -1),
    'other numbers': lambda v: (
        v.float() if v.dtype == torch.int64 else v.int()
    ),
    'empty': lambda v: v[..., :0],
}


@pytest.mark.parametrize('kind', MUTATIONS)
def test_each_tensor_is_checked(case, kind):
    model, content, notes = case
    change, tried = MUTATIONS[kind], 0
    for key, value in content.items():
        scalar = value.ndim == 0 and kind in ('narrower', 'wider', 'empty')
        # what was fitted to no files knows of none held out
        optional = key == 'update.held_out' and kind == 'missing'
        if key.startswith('backbone.') or scalar or optional:
            continue
        others = {k: v for k, v in content.items() if k != key}
        if change is not None:
            others[key] = change(value)
        with pytest.raises(FittedStateError, match=re.escape(key)) as caught:
            model.load_fitted_bytes(save(others, notes), 'FILE')
        assert str(caught.value).startswith('FILE: expected `')
        assert '\n' not in str(caught.value)
        assert not model.state
        tried += 1
    assert tried


@pytest.mark.parametrize(
    'key', ['more', 'state.more', 'members.7.state.memory', 'calibration.more']
)
def test_what_is_left_over_is_named(case, key):
    model, content, notes = case
    data = save({**content, key: torch.zeros(2)}, notes)
    with pytest.raises(FittedStateError, match=f'got also {re.escape(key)}'):
        model.load_fitted_bytes(data)
    assert not model.state


def raw(header: object) -> bytes:
    """A safetensors file of any header, and of two bytes."""
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, 'little') + text + bytes(2)


PAIR = {'dtype': 'F16', 'shape': [1], 'data_offsets': [0, 2]}
TEXTS = {'settings': '{}'}


@pytest.mark.parametrize(
    'data',
    [
        b'',
        b'no state',
        save({'x': torch.ones(2)}),
        save({'x': torch.ones(2)}, TEXTS)[:-1],
        *(
            save({'x': torch.ones(2)}, {'settings': text})
            for text in ('', '[1]', 'null', '{"a": NaN}', '[' * 10**5)
        ),
        *(raw(header) for header in (3, [], {'__metadata__': None})),
        raw({'x': PAIR, '__metadata__': {'settings': {}}}),
        # numbers that torch does not have
        raw(
            {'x': {**PAIR, 'dtype': 'F4', 'shape': [4]}, '__metadata__': TEXTS}
        ),
    ],
)
def test_what_is_no_state_is_refused(data):
    model = _memory()
    with pytest.raises(FittedStateError, match=r'^FILE: expected ') as caught:
        model.load_fitted_bytes(data, 'FILE')
    assert 'move it away' in str(caught.value)
    assert not model.state


def test_categories_that_were_not_seen_may_be_missing():
    model, again = _kead(), _kead()
    model.fit([batch_of([0], ['strip'])])
    again.load_fitted_bytes(model.fitted_bytes())
    assert again.fingerprint() == model.fingerprint()
