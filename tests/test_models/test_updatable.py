"""A model that learns from more images later."""

import pytest
import torch
from mmpretrain.structures import DataSample

from mmcvgssl.models.anomaly import (
    FittedStateError,
    MahalanobisAD,
    MapEnsemble,
    PaDiM,
    PatchCore,
)
from mmcvgssl.models.anomaly.blocks import is_held_out
from mmcvgssl.models.anomaly.moments import Moments
from mmcvgssl.models.anomaly.neighbours import nearest_patches
from tests.test_models.test_anomaly import SIDE, LocalTeacher

TESTED = torch.rand(3, 3, SIDE, SIDE, generator=torch.Generator())


def batches(first: int, last: int, size: int = 4) -> list[dict]:
    random = torch.Generator().manual_seed(1)
    images = torch.randint(
        256, (40, 3, SIDE, SIDE), generator=random, dtype=torch.uint8
    )[first:last]
    return [
        dict(
            inputs=list(part),
            data_samples=[DataSample(img_path=f'{i}') for i in range(size)],
        )
        for part in images.split(size)
    ]


def stored(model):
    """Return a model that has read what another has learned."""
    fresh = KINDS[model.kind]()
    fresh.kind = model.kind
    fresh.load_fitted_bytes(model.fitted_bytes())
    return fresh


KINDS = {
    'patchcore': lambda: PatchCore(LocalTeacher(), coreset_size=5000),
    'scaled': lambda: PatchCore(
        LocalTeacher(), coreset_size=5000, local_scale=3, metric='cosine'
    ),
    'whitened': lambda: PatchCore(
        LocalTeacher(), coreset_size=5000, whiten=True
    ),
    'mahalanobis': lambda: MahalanobisAD(LocalTeacher()),
    'pooled': lambda: MahalanobisAD(LocalTeacher(), image_score='pooled'),
    'sum': lambda: MahalanobisAD(LocalTeacher(), image_score='sum'),
    'padim': lambda: PaDiM(LocalTeacher(), channels=3),
    'pooled padim': lambda: PaDiM(
        LocalTeacher(), channels=3, image_score='pooled'
    ),
    'small': lambda: PatchCore(LocalTeacher(), coreset_size=60),
}


def make(kind: str):
    model = KINDS[kind]()
    model.kind = kind
    return model


@pytest.mark.parametrize('kind', [k for k in KINDS if k != 'small'])
def test_an_update_gives_what_a_fit_to_all_images_does(kind):
    whole, model = make(kind), make(kind)
    whole.fit(batches(0, 32))
    model.fit(batches(0, 12))
    for first, last in ((12, 16), (16, 32)):
        model = stored(model)
        model.update(batches(first, last))
    expected, found = whole(TESTED), stored(model)(TESTED)
    # what was whitened is whitened anew
    near = 1e-4 if kind == 'whitened' else 1e-6
    torch.testing.assert_close(found[0], expected[0], rtol=near, atol=near)
    if kind == 'sum':  # its medians are those of the first fit
        assert 'first fit' in model.remarks[0]
        ratio = found[1] / expected[1]
        assert (ratio - 1).abs().max() < 0.5
    else:
        torch.testing.assert_close(found[1], expected[1], rtol=near, atol=0)
        assert model.remarks == []


@pytest.mark.parametrize('kind', ['mahalanobis', 'padim', 'pooled'])
def test_the_order_of_images_does_not_matter(kind):
    one, other = make(kind), make(kind)
    one.fit(batches(0, 12))
    one.update(batches(12, 20))
    other.fit(batches(12, 20))
    other.update(batches(0, 12))
    torch.testing.assert_close(
        one(TESTED)[1], other(TESTED)[1], rtol=1e-5, atol=1e-6
    )


def test_a_coreset_of_a_coreset_covers_all_patches():
    model = make('small')
    model.fit(batches(0, 16))
    earlier = model.state['memory']
    model = stored(model)
    model.update(batches(16, 32))
    memory = model.state['memory']
    assert len(memory) == 60
    assert 'had left patches out' in model.remarks[0]
    assert int(model.basis['seen']) == 32 * 64

    def rows(first: int, last: int):
        images = [image for b in batches(first, last) for image in b['inputs']]
        pixels = torch.stack(images).flip(1).float() / 255
        return model._rows(model.features(pixels))

    def radius(patches, centres) -> float:
        return float(nearest_patches(patches, centres, 1)[0].max())

    bound = radius(rows(0, 16), earlier) + radius(earlier, memory)
    assert radius(rows(0, 16), memory) <= bound + 1e-5
    whole = make('small')
    whole.fit(batches(0, 32))
    every = rows(0, 32)
    assert radius(every, memory) < 2 * radius(every, whole.state['memory'])


def test_the_threshold_of_all_images_or_with_the_scores_of_before():
    def with_threshold():
        return MahalanobisAD(
            LocalTeacher(), calibration={}, false_alarm_rate=0.3
        )

    def split(first: int, last: int, held_out: bool) -> list[dict]:
        return [
            one
            for number, one in enumerate(batches(0, last, 1))
            if number >= first and is_held_out(number, 5) == held_out
        ]

    whole, model = with_threshold(), with_threshold()
    whole.fit(batches(0, 40))
    model.fit(batches(0, 20))
    known = model.operating_point
    assert (model.hold_out_every, model.images_seen) == (5, 20)
    state = model.fitted_bytes()

    model.update(split(20, 40, False), split(0, 40, True), anew=True)
    torch.testing.assert_close(model(TESTED), whole(TESTED))
    assert model.threshold == pytest.approx(whole.threshold, rel=1e-6)
    assert model.operating_point.n == 8
    assert model.map_threshold == pytest.approx(whole.map_threshold, rel=1e-5)

    other = with_threshold()
    other.load_fitted_bytes(state)
    curve = other.calibration.state_dict()
    scores = other.basis['scores'].clone()
    other.update(split(20, 40, False), split(20, 40, True))
    torch.testing.assert_close(other.calibration.state_dict(), curve)
    assert other.operating_point.n == 8
    assert torch.equal(other.basis['scores'][:4], scores)
    assert '4 of the images were scored before' in other.chosen['note']

    still = with_threshold()
    still.load_fitted_bytes(state)
    still.update(split(20, 40, False))
    assert still.operating_point == known


@pytest.mark.parametrize('kind', ['patchcore', 'padim'])
def test_what_an_update_goes_on_from_is_checked(kind):
    model, fresh = make(kind), make(kind)
    model.fit(batches(0, 8))
    tensors, notes = model.learned_tensors(), {}
    bare = {k: v for k, v in tensors.items() if not k.startswith('update.')}
    fresh.take_learned(notes, bare, 'old.safetensors')
    assert fresh.fingerprint() == model.fingerprint()
    with pytest.raises(FittedStateError, match='fit anew to all images'):
        fresh.update(batches(8, 12))
    key = sorted(k for k in tensors if k.startswith('update.'))[-1]
    for wrong in (torch.zeros(2, 2), None):
        changed = {**tensors, key: wrong}
        if wrong is None:
            changed = {**tensors, 'update.other': torch.zeros(1)}
        with pytest.raises(FittedStateError, match=r'update\.'):
            fresh.take_learned(notes, changed, 'x.safetensors')


def test_members_of_an_ensemble_have_nothing_to_go_on_from():
    member = MahalanobisAD(LocalTeacher())
    ensemble = MapEnsemble([member])
    ensemble.fit(batches(0, 20))
    assert member.basis == {}


def test_moments_are_packed_without_loss():
    random = torch.Generator().manual_seed(0)
    rows = torch.rand(2, 50, 5, generator=random, dtype=torch.float64)
    moments = Moments(rows[:, :3].mean(1, keepdim=True))
    moments.add(*moments.sums(rows))
    again = Moments.unpacked(moments.packed())
    assert moments.packed()['outer'].shape == (2, 15)
    torch.testing.assert_close(
        again.result(), moments.result(), rtol=1e-14, atol=1e-14
    )
