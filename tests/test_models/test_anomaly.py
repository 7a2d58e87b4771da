"""Map generators against slow references written from their definitions."""

import json

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmpretrain.structures import DataSample
from sklearn.covariance import ledoit_wolf
from torch import Tensor, nn

from mmcvgssl.models.anomaly import (
    AnomalyModel,
    Calibration,
    FittedStateError,
    MahalanobisAD,
    MapEnsemble,
    MuSc,
    PaDiM,
    PatchCore,
    PatchFeatures,
)
from mmcvgssl.models.anomaly.blocks import is_held_out
from mmcvgssl.models.anomaly.calibration import RawValues
from mmcvgssl.models.anomaly.fit_pass import EveryImage
from mmcvgssl.models.anomaly.fitting_images import FittingImages
from mmcvgssl.models.teachers import FrozenTeacher

SIDE = 16


class LocalTeacher(FrozenTeacher):
    """Two levels of fixed filters, of strides 2 and 4."""

    def __init__(self, levels=(0, 1)) -> None:
        torch.manual_seed(0)
        tower = nn.ModuleList(
            [nn.Conv2d(3, 5, 3, 2, 1), nn.Conv2d(5, 7, 3, 2, 1)]
        )
        super().__init__(tower, [0.5] * 3, [0.5] * 3, SIDE, levels)

    def _run(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        first = self.tower[0](images).tanh()
        second = self.tower[1](first)
        maps = [(first, second)[i] for i in self.levels]
        return maps, second.mean((2, 3))


def batches(n: int, size: int = 4, seed: int = 0) -> list[dict]:
    """Grey noise on a gradient, as a loader would give it."""
    random = np.random.RandomState(seed)
    items = []
    for i in range(n):
        image = random.uniform(90, 110, (3, SIDE, SIDE))
        sample = DataSample(metainfo=dict(img_path=f'{seed}/{i}.png'))
        items.append(
            {
                'inputs': torch.from_numpy(image).to(torch.uint8),
                'data_samples': sample,
            }
        )
    return [pseudo_collate(items[i : i + size]) for i in range(0, n, size)]


def images_of(data: list[dict]) -> Tensor:
    """RGB in [0, 1]."""
    raw = torch.stack([image for b in data for image in b['inputs']])
    return raw.flip(1).float() / 255


def slow_rows(
    image: Tensor, neighbourhood: int, normalise: bool, zeros: bool = False
) -> Tensor:
    """Patches [64, 12] of one image, one by one."""
    levels = LocalTeacher().local_features(image[None])
    joined = []
    for level in levels:
        level = level[0]
        _, h, w = level.shape
        mean = torch.zeros_like(level)
        r = neighbourhood // 2
        for y in range(h):
            for x in range(w):
                around = level[
                    :, max(y - r, 0) : y + r + 1, max(x - r, 0) : x + r + 1
                ]
                count = neighbourhood**2 if zeros else around[0].numel()
                mean[:, y, x] = around.sum((1, 2)) / count
        if h == 4:  # to the finer grid
            mean = nn.functional.interpolate(
                mean[None], (8, 8), mode='bilinear'
            )[0]
        rows = mean.flatten(1).T
        joined.append(
            rows / rows.norm(dim=1, keepdim=True) if normalise else rows
        )
    return torch.cat(joined, 1)


def test_the_way_of_averages_is_among_the_settings():
    """A memory of one way is not for the other; older ones stay readable."""
    known = PatchCore(LocalTeacher()).settings
    zeros = PatchCore(LocalTeacher(), count_include_pad=True).settings
    assert zeros == {**known, 'count_include_pad': True}
    assert 'count_include_pad' not in known


MODELS_TO_TRY = {
    'memory': lambda **k: PatchCore(LocalTeacher(), coreset_size=40, **k),
    'whitened': lambda **k: PatchCore(
        LocalTeacher(), coreset_size=40, whiten=True, **k
    ),
    'gaussian': lambda **k: MahalanobisAD(LocalTeacher(), **k),
    'positions': lambda **k: PaDiM(
        LocalTeacher(), neighbourhood=3, channels=4, image_score='sum', **k
    ),
    'mutual': lambda **k: MuSc(LocalTeacher(), references=5, **k),
    'ensemble': lambda **k: MapEnsemble(
        [
            PatchCore(LocalTeacher(), coreset_size=30, top=0.1),
            MahalanobisAD(LocalTeacher(levels=(1,)), image_score='pooled'),
        ],
        map_weights=(1.0, 0.5),
        **k,
    ),
}
every_model = pytest.mark.parametrize('kind', MODELS_TO_TRY)


@pytest.mark.parametrize('neighbourhood', [1, 3])
@pytest.mark.parametrize('normalise', [True, False])
@pytest.mark.parametrize('zeros', [True, False])
def test_patches_are_averaged_levels_on_one_grid(
    neighbourhood, normalise, zeros
):
    images = images_of(batches(2))
    features = PatchFeatures(
        LocalTeacher(), neighbourhood, normalise, count_include_pad=zeros
    )
    maps = features(images)
    assert maps.shape == (2, 12, 8, 8)
    for image, ours in zip(images, maps, strict=True):
        theirs = slow_rows(image, neighbourhood, normalise, zeros)
        torch.testing.assert_close(ours.flatten(1).T, theirs)


@pytest.mark.parametrize(
    ('grid', 'size'), [('coarsest', (4, 4)), ((6, 5), (6, 5)), (None, (8, 8))]
)
def test_maps_have_the_grid_that_is_wanted(grid, size):
    images = images_of(batches(2))
    maps = PatchFeatures(LocalTeacher(), 1, False, grid)(images)
    assert maps.shape[-2:] == size
    if grid == 'coarsest':  # the fine level is halved
        fine, coarse = LocalTeacher().local_features(images)
        halved = nn.functional.avg_pool2d(fine, 2)
        torch.testing.assert_close(maps, torch.cat([halved, coarse], 1))


@pytest.mark.parametrize(
    ('options', 'error', 'word'),
    [
        (dict(teacher=LocalTeacher(), grid='fine'), ValueError, "'fine'"),
        (dict(teacher=LocalTeacher(levels=())), ValueError, 'levels'),
        (dict(teacher=nn.Identity()), TypeError, 'frozen teacher'),
        (
            dict(teacher=LocalTeacher(), neighbourhood=2),
            ValueError,
            'neighbourhood',
        ),
    ],
)
def test_patch_features_refuse(options, error, word):
    with pytest.raises(error, match=word):
        PatchFeatures(**options)


@pytest.mark.parametrize('metric', ['euclidean', 'cosine'])
@pytest.mark.parametrize('neighbours', [1, 3])
def test_memory_measures_the_distance_to_the_nearest_patch(metric, neighbours):
    data, query = batches(3), images_of(batches(2, seed=7))
    model = PatchCore(
        LocalTeacher(), coreset_size=500, metric=metric, neighbours=neighbours
    )
    model.fit(data)
    maps, scores = model.predict_maps(query)
    memory = torch.cat([slow_rows(i, 3, True) for i in images_of(data)])
    for image, found, score in zip(query, maps, scores, strict=True):
        values = []
        for row in slow_rows(image, 3, True):
            if metric == 'euclidean':
                distances = (memory - row).norm(dim=1)
            else:
                distances = 1 - torch.cosine_similarity(
                    memory, row[None], dim=1
                )
            values.append(distances.sort().values[:neighbours].mean())
        expected = torch.stack(values).view(8, 8)
        torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-3)
        assert float(score) == pytest.approx(float(found.max()))


def test_whitened_memory_measures_mahalanobis_distances():
    data, query = batches(3), images_of(batches(2, seed=7))
    model = PatchCore(LocalTeacher(), coreset_size=500, whiten=True)
    model.fit(data)
    maps, _ = model.predict_maps(query)
    memory = torch.cat([slow_rows(i, 3, True) for i in images_of(data)])
    memory = memory.double().numpy()
    spread = np.cov(memory.T, bias=True)
    spread += 0.01 * spread.trace() / len(spread) * np.eye(len(spread))
    inverse = np.linalg.inv(spread)
    for image, found in zip(query, maps, strict=True):
        for place, row in enumerate(slow_rows(image, 3, True)):
            apart = memory - row.double().numpy()
            squares = np.einsum('nd,de,ne->n', apart, inverse, apart)
            value = float(found.flatten()[place])
            expected = (squares.min() / (2 * len(spread))) ** 0.5
            assert value == pytest.approx(expected, rel=1e-3, abs=1e-3)
    assert not torch.allclose(
        maps, fitted_plain(data).predict_maps(query)[0], rtol=0.1
    )


def fitted_plain(data) -> PatchCore:
    model = PatchCore(LocalTeacher(), coreset_size=500)
    model.fit(data)
    return model


def test_memory_re_weights_by_the_papers_soft_max():
    data, query = batches(3), images_of(batches(2, seed=7))
    plain = PatchCore(LocalTeacher(), coreset_size=60, reweight=0)
    weighed = PatchCore(LocalTeacher(), coreset_size=60, reweight=4)
    plain.fit(data)
    weighed.fit(data)
    memory = plain.state['memory']
    maps, scores = weighed.predict_maps(query)
    for image, grid, score in zip(query, maps, scores, strict=True):
        rows = slow_rows(image, 3, True)
        place = int(grid.flatten().argmax())
        row = rows[place]
        nearest = memory[int((memory - row).norm(dim=1).argmin())]
        order = (memory - nearest).norm(dim=1).argsort()[:5]
        root = memory.shape[1] ** 0.5
        powers = ((memory[order] - row).norm(dim=1) / root).exp()
        own = ((nearest - row).norm() / root).exp()
        weight = 1 - own / powers.sum()
        expected = weight * (nearest - row).norm()
        assert float(score) == pytest.approx(float(expected), rel=1e-3)
    assert torch.equal(maps, plain.predict_maps(query)[0])


def test_memory_scales_by_how_dense_it_is_there():
    data, query = batches(3), images_of(batches(2, seed=7))
    model = PatchCore(
        LocalTeacher(), coreset_size=60, neighbours=2, local_scale=4
    )
    model.fit(data)
    maps, _ = model.predict_maps(query)
    memory = model.state['memory'].double()
    around = torch.cdist(memory, memory).sort(1).values[:, 1:5].mean(1)
    for image, found in zip(query, maps, strict=True):
        for place, row in enumerate(slow_rows(image, 3, True)):
            distances = (memory - row).norm(dim=1)
            order = distances.argsort()[:2]
            expected = float((distances[order] / around[order]).mean())
            value = float(found.flatten()[place])
            assert value == pytest.approx(expected, rel=2e-2, abs=2e-3)


def test_an_image_score_can_average_the_highest_patches():
    data, query = batches(2), images_of(batches(2, seed=5))
    model = PatchCore(LocalTeacher(), coreset_size=30, top=0.1)
    model.fit(data)
    maps, scores = model.predict_maps(query)
    expected = maps.flatten(1).sort(1).values[:, -6:].mean(1)
    torch.testing.assert_close(scores, expected)


@pytest.mark.parametrize('kind', [MahalanobisAD, PaDiM])
def test_gaussian_is_the_mahalanobis_distance(kind):
    n = 40
    data, query = batches(n), images_of(batches(2, seed=7))
    model = kind(LocalTeacher(), channels=0, ridge=0.1, neighbourhood=1)
    model.fit(data)
    maps, scores = model.predict_maps(query)
    rows = torch.stack(
        [slow_rows(i, 1, False) for i in images_of(data)]
    ).double()
    asked = torch.stack([slow_rows(i, 1, False) for i in query]).double()
    for i in range(2):
        for place in (0, 9, 63):
            own = (
                rows.flatten(0, 1) if kind is MahalanobisAD else rows[:, place]
            )
            mean = own.mean(0)
            covariance = (own - mean).T @ (own - mean) / len(own)
            load = 0.1 * covariance.diagonal().mean()
            inverse = torch.linalg.inv(covariance + load * torch.eye(12))
            d = asked[i, place] - mean
            expected = float((d @ inverse @ d).sqrt())
            found = float(maps[i].flatten()[place])
            assert found == pytest.approx(expected, rel=1e-3)
        assert float(scores[i]) == pytest.approx(float(maps[i].max()))


def test_pooled_score_sums_distances_under_ledoit_wolf():
    data, query = batches(30), images_of(batches(3, seed=7))
    model = MahalanobisAD(LocalTeacher(), image_score='pooled')
    model.fit(data)
    _, scores = model.predict_maps(query)
    teacher = LocalTeacher()
    expected = np.zeros(3)
    for i in range(2):
        for pool in (lambda m: m.mean((2, 3)), lambda m: m.amax((2, 3))):
            known = pool(teacher.local_features(images_of(data))[i])
            asked = pool(teacher.local_features(query)[i]).double().numpy()
            known = known.double().numpy()
            covariance, _ = ledoit_wolf(known)
            d = asked - known.mean(0)
            inverse = np.linalg.inv(covariance)
            expected += np.sqrt(np.einsum('ni,ij,nj->n', d, inverse, d))
    np.testing.assert_allclose(scores, expected, rtol=1e-3)


def test_musc_compares_with_the_other_images():
    data = batches(5)
    model = MuSc(
        LocalTeacher(), references=5, share=0.5, neighbourhoods=(1, 3)
    )
    model.fit(data)
    for batch in data:
        for sample in model.test_step(batch):
            own = int(sample.img_path.split('/')[1].split('.')[0])
            images = images_of(data)
            expected = torch.zeros(64)
            for side in (1, 3):
                rows = slow_rows(images[own], side, True)
                to_images = []
                for other in range(5):
                    if other != own:
                        memory = slow_rows(images[other], side, True)
                        table = torch.cdist(rows, memory)
                        to_images.append(table.min(1).values)
                nearest = torch.stack(to_images).sort(0).values[:2]
                expected += nearest.mean(0) / 2
            torch.testing.assert_close(
                sample.anomaly_map.flatten(), expected, atol=3e-3, rtol=1e-2
            )
            assert float(sample.anomaly_score) == pytest.approx(
                float(sample.anomaly_map.max())
            )


def test_musc_finds_the_odd_one_of_a_collection():
    data = batches(8)
    data[1]['inputs'][2][:, 4:8, 4:8] = 255
    model = MuSc(LocalTeacher(), references=8)
    model.fit(data)
    samples = [s for batch in data for s in model.test_step(batch)]
    scores = [float(s.anomaly_score) for s in samples]
    assert int(np.argmax(scores)) == 6
    peak = int(samples[6].anomaly_map.argmax())
    assert 1 <= peak // 8 <= 4
    assert 1 <= peak % 8 <= 4


@pytest.mark.parametrize('path', [None, './3/0.png', '/else/where.png'])
def test_an_image_is_told_apart_by_its_pixels_not_its_path(path):
    data = batches(6)
    named, other = (MODELS_TO_TRY['mutual'](seed=3) for _ in range(2))
    named.fit(data)
    other.fit([{'inputs': batch['inputs']} for batch in data])
    meta = {} if path is None else dict(img_path=path)
    asked = images_of(data)
    known = [s for batch in data for s in batch['data_samples']]
    spelt = [DataSample(metainfo=meta) for _ in asked]
    expected = named.predict(asked, known)
    for model in (named, other):
        for one, two in zip(
            model.predict(asked, spelt), expected, strict=True
        ):
            assert torch.equal(one, two)
    assert named.predict_maps(asked)[0].mean() < expected[0].mean()


def test_a_copy_of_an_image_does_not_vouch_for_it():
    data = batches(8)
    data[0]['inputs'][2][:, 4:8, 4:8] = 255
    data[1]['inputs'][1] = data[0]['inputs'][2].clone()
    model = MuSc(LocalTeacher(), references=8, share=0.01)
    model.fit(data)
    samples = [s for batch in data for s in model.test_step(batch)]
    scores = [float(s.anomaly_score) for s in samples]
    assert sorted(np.argsort(scores)[-2:].tolist()) == [2, 5]


def test_one_image_has_none_to_be_compared_with():
    with pytest.raises(ValueError, match='at least 2 images, got 1'):
        MuSc(LocalTeacher()).fit(batches(1))


def test_ensemble_sums_members_on_the_scale_of_images_held_out():
    data, query = batches(20), images_of(batches(2, seed=7))
    members = [
        PatchCore(LocalTeacher(), coreset_size=30),
        MahalanobisAD(LocalTeacher(levels=(1,)), image_score='pooled'),
    ]
    model = MapEnsemble(
        members, map_weights=(2.0, 0.0), score_weights=(1.0, 3.0)
    )
    model.fit(data)
    maps, scores = model.predict_maps(query)
    part = FittingImages(data, model.data_preprocessor)
    kept, content = part.part(5, False), part.part(5, True)
    expected_maps, expected_scores = 0, 0
    for member, m, s in zip(members, (2, 0), (1, 3), strict=True):
        member._fit(kept)
        seen = [member.predict_maps(images) for images, _ in content]
        units = []
        for i in range(2):
            values = torch.cat([made[i].flatten() for made in seen]).numpy()
            units.append((np.median(values), np.quantile(values, 0.99)))
        member._fit(part)
        own_maps, own_scores = member.predict_maps(query)
        (low, high), (low_score, high_score) = units
        if m:
            expected_maps += m * (own_maps - low) / (high - low)
        expected_scores += (
            s * (own_scores - low_score) / (high_score - low_score)
        )
    torch.testing.assert_close(
        maps, expected_maps.float(), atol=1e-3, rtol=1e-3
    )
    torch.testing.assert_close(
        scores, expected_scores.float(), atol=1e-3, rtol=1e-3
    )


def test_divisions_of_the_fitting_images():
    data, model = batches(10), MODELS_TO_TRY['memory']()
    whole = FittingImages(data, model.data_preprocessor)

    def names(images):
        return [int(s.img_path[2:-4]) for _, part in images for s in part]

    held, kept = whole.part(5, True), whole.part(5, False)
    expected = [i for i in range(10) if is_held_out(i, 5)]
    others = [i for i in range(10) if i not in expected]
    assert len(expected) == 2
    assert names(held) == expected
    assert names(kept) == others
    inner = [name for i, name in enumerate(others) if is_held_out(i, 2)]
    assert names(kept.part(2, True)) == inner
    data[1]['data_samples'][0].set_metainfo(dict(unreadable=True))
    assert names(whole) == [0, 1, 2, 3, 5, 6, 7, 8, 9]
    with pytest.raises(ValueError, match='to measure on, found none among 10'):
        names(whole.part(11, True))


@every_model
def test_predict_gives_data_samples(kind):
    model = MODELS_TO_TRY[kind]()
    model.fit(batches(10))
    batch = batches(3, seed=3)[0]
    samples = model.test_step(batch)
    maps, scores = model.predict_maps(images_of([batch]))
    for i, sample in enumerate(samples):
        assert sample.img_path == f'3/{i}.png'
        assert sample.anomaly_map.ndim == 2
        assert sample.anomaly_score.ndim == 0
        torch.testing.assert_close(
            sample.anomaly_map, maps[i], atol=1e-4, rtol=1e-3
        )
        torch.testing.assert_close(
            sample.anomaly_score, scores[i], atol=1e-4, rtol=1e-3
        )
    assert not model.training


@every_model
def test_a_batch_is_its_images_one_by_one(kind):
    model = MODELS_TO_TRY[kind]()
    model.fit(batches(10))
    images = images_of(batches(3, seed=3))
    maps, scores = model.predict_maps(images)
    for i in range(3):
        one, score = model.predict_maps(images[i : i + 1])
        torch.testing.assert_close(one[0], maps[i], atol=1e-4, rtol=1e-3)
        torch.testing.assert_close(score[0], scores[i], atol=1e-4, rtol=1e-3)


@every_model
def test_fitting_twice_gives_the_same(kind):
    prints = []
    for _ in range(2):
        model = MODELS_TO_TRY[kind]()
        model.fit(batches(10))
        prints.append(model.fingerprint())
    assert prints[0] == prints[1]
    model.fit(batches(10, seed=1))
    assert model.fingerprint() != prints[0]


@every_model
def test_state_survives_a_file(kind, tmp_path):
    model = MODELS_TO_TRY[kind](calibration=dict(quantile=0.9))
    with pytest.raises(FittedStateError, match='has not been fitted'):
        model.save_fitted(tmp_path / 'state.safetensors')
    model.fit(batches(12))
    model.save_fitted(tmp_path / 'state.safetensors')
    again = MODELS_TO_TRY[kind](calibration=dict(quantile=0.9))
    assert not again.fitted
    again.load_fitted(tmp_path / 'state.safetensors')
    assert again.fitted
    assert again.fingerprint() == model.fingerprint()
    batch = batches(2, seed=4)[0]
    for one, two in zip(
        model.test_step(batch), again.test_step(batch), strict=True
    ):
        torch.testing.assert_close(one.anomaly_map, two.anomaly_map)
        torch.testing.assert_close(one.anomaly_score, two.anomaly_score)


def test_state_of_other_settings_is_refused_by_name(tmp_path):
    model = PatchCore(LocalTeacher(), coreset_size=40)
    model.fit(batches(3))
    model.save_fitted(tmp_path / 'a.safetensors')
    other = PatchCore(LocalTeacher(), coreset_size=41)
    with pytest.raises(FittedStateError, match='coreset_size: 40 there, 41'):
        other.load_fitted(tmp_path / 'a.safetensors')
    (tmp_path / 'b.safetensors').write_bytes(b'no such thing')
    with pytest.raises(FittedStateError, match='expected a fitted state'):
        other.load_fitted(tmp_path / 'b.safetensors')
    with pytest.raises(FileNotFoundError, match='fitted state'):
        other.load_fitted(tmp_path / 'c.safetensors')


@every_model
def test_calibrated_values_keep_their_order(kind):
    raw, model = (
        MODELS_TO_TRY[kind](calibration=c) for c in (None, {'holdout': 0.25})
    )
    model.fit(batches(20))
    raw._take(model._tensors())
    data = batches(4, seed=2)
    images = images_of(data)
    samples = data[0]['data_samples']
    maps, scores = raw.predict(images, samples)
    calibrated, levels = model.predict(images, samples)
    for before, after in ((maps, calibrated), (scores, levels)):
        assert 0 <= float(after.min()) <= float(after.max()) <= 1
        order = before.flatten().argsort()
        assert (after.flatten()[order].diff() >= 0).all()


def test_raw_values_of_many_images_take_little_memory(monkeypatch):
    monkeypatch.setattr('mmcvgssl.models.anomaly.calibration._SAMPLES', 1000)
    values = RawValues()
    for i in range(40):
        values.add(torch.full((4, 20, 20), float(i)), torch.zeros(4))
    content = {
        part.untyped_storage().data_ptr(): part.untyped_storage().nbytes()
        for part in values._patches
    }
    assert sum(content.values()) <= 4 * 2 * 1600
    # evenly over the images
    found = values.patches()
    assert 500 <= len(found) <= 1000
    assert found.mean() == pytest.approx(19.5, abs=0.5)


def test_calibration_puts_quantiles_where_it_says():
    torch.manual_seed(0)
    maps, scores = torch.randn(50, 8, 8) * 7 + 100, torch.rand(50)
    curve = Calibration(quantile=0.95)
    assert not curve.ready
    curve.fit([(maps[:20], scores[:20]), (maps[20:], scores[20:])])
    assert curve.ready
    for i, values in enumerate((maps, scores)):
        marks = np.quantile(values.numpy(), [0.5, 0.95])
        marks = torch.tensor(marks, dtype=torch.float32)
        done = curve(marks, marks)[i]
        torch.testing.assert_close(
            done, torch.tensor([0.25, 0.5]), atol=1e-4, rtol=0
        )
    far = curve(torch.tensor([500.0, 501.0]), scores)[0]
    assert far[0] < far[1] < 1


def test_a_sum_does_not_depend_on_the_size_of_batches():
    typical = []
    for size in (1, 10):
        model = MahalanobisAD(LocalTeacher(), image_score='sum')
        model.fit(batches(40, size=size))
        typical.append(model.state['typical'])
    torch.testing.assert_close(*typical)


def test_a_number_of_images_can_be_taken():
    chooser = EveryImage(images=5)
    assert chooser.stops
    assert chooser.choose([''] * 3) == ([0, 1, 2], 0)
    assert not chooser.full
    again = EveryImage(images=5)
    again.load_state_dict(chooser.state_dict())
    assert again.choose([''] * 3) == ([0, 1], 3)
    assert again.full


def test_calibration_with_a_floor_is_zero_below_it():
    torch.manual_seed(0)
    maps, scores = torch.randn(50, 8, 8) * 7 + 100, torch.rand(50)
    curve, plain = Calibration(0.95, floor=0.6), Calibration(0.95)
    for each in (curve, plain):
        each.fit([(maps, scores)])
    marks = np.quantile(maps.numpy(), [0.1, 0.6, 0.95])
    marks = torch.tensor(marks, dtype=torch.float32)
    torch.testing.assert_close(
        curve(marks, scores)[0],
        torch.tensor([0, 0, 0.5]),
        atol=1e-4,
        rtol=0,
    )
    done, done_scores = curve(maps, scores)
    assert float((done == 0).float().mean()) == pytest.approx(0.6, abs=0.01)
    order = maps.flatten().argsort()
    assert (done.flatten()[order].diff() >= 0).all()
    assert done.max() < 1
    # image scores keep their order below the median, too
    assert torch.equal(done_scores, plain(maps, scores)[1])


@pytest.mark.parametrize('rounding', [0.0, 1e-3])
@pytest.mark.parametrize('floor', [None, 0.5])
@pytest.mark.parametrize('noise', [0.0, 1e-7, 1e-4])
def test_calibration_does_not_blow_rounding_up(rounding, floor, noise):
    if noise > 1e-6 and not rounding:
        return  # then it is no rounding
    random = torch.Generator().manual_seed(0)
    maps = 5 + noise * torch.randn(9, 6, 6, generator=random)
    scores = maps.flatten(1).amax(1)
    curve = Calibration(floor=floor)
    said = curve.fit([(maps, scores)], (rounding, rounding))
    assert '9 images' in said
    assert 'look the same' in said
    made, _ = curve(maps, scores)
    low = 0.25 if floor is None else 0.0
    spread = 0.3 if rounding else 0.6
    assert float((made - low).abs().max()) < spread
    # what does differ stands out
    assert float(curve(maps + 5, scores)[0].min()) > 0.9
    assert float(curve(maps - 5, scores)[0].max()) < 0.25


@pytest.mark.parametrize(
    ('maps', 'said'),
    [
        (torch.rand(4, 5, 5), ''),
        (torch.rand(5, 5).expand(4, 5, 5), 'look the same'),
        (torch.rand(1, 5, 5), ''),
        (torch.zeros(4, 5, 5), 'look the same'),
        (torch.ones(1, 5, 5), 'do not differ'),
    ],
)
def test_calibration_names_images_that_are_alike(maps, said):
    curve = Calibration()
    found = curve.fit([(maps, maps.flatten(1).amax(1))])
    assert (said in found) if said else not found


@pytest.mark.parametrize(
    ('make', 'word'),
    [
        (lambda: PatchCore(LocalTeacher(), coreset_size=0), 'coreset_size'),
        (lambda: PatchCore(LocalTeacher(), 50, pool_size=40), 'pool_size'),
        (lambda: PatchCore(LocalTeacher(), metric='l1'), 'metric'),
        (lambda: PatchCore(LocalTeacher(), top=1.5), 'top'),
        (
            lambda: PatchCore(LocalTeacher(), whiten=True, metric='cosine'),
            "whiten.*'cosine'",
        ),
        (
            lambda: PatchCore(LocalTeacher(), whiten=True, per_position=True),
            'per_position=True',
        ),
        (lambda: PatchCore(LocalTeacher(), top=0.1, reweight=3), 'reweight'),
        (lambda: MahalanobisAD(LocalTeacher(), image_score='min'), 'score'),
        (lambda: MahalanobisAD(LocalTeacher(), ridge=-1), 'ridge'),
        (lambda: MuSc(LocalTeacher(), share=0), 'share'),
        (lambda: MuSc(LocalTeacher(), references=1), 'references'),
        (lambda: MuSc(LocalTeacher(), neighbourhoods=()), 'one'),
        (lambda: PatchCore(LocalTeacher(), coreset_size=0.1), 'coreset_size'),
        (lambda: PatchCore(LocalTeacher(), 50, neighbours=1.5), 'whole num'),
        (lambda: PatchCore(LocalTeacher(), 50, seed=1.5), 'seed is a whole'),
        (lambda: MuSc(LocalTeacher(), references=10.5), 'a whole number of 2'),
        (lambda: MahalanobisAD(LocalTeacher(), channels=0.5), 'channels'),
        (lambda: MapEnsemble([]), 'members'),
        (lambda: Calibration(quantile=0.4), 'quantile'),
        (lambda: Calibration(floor=0.99), 'floor'),
        (lambda: Calibration(floor=0), 'floor'),
        (
            lambda: PatchCore(LocalTeacher(), calibration={'holdout': 1}),
            'holdout',
        ),
    ],
)
def test_bad_options_are_named(make, word):
    with pytest.raises(ValueError, match=word):
        make()


def test_an_unfitted_model_says_how_to_fit():
    model = MODELS_TO_TRY['memory']()
    with pytest.raises(FittedStateError, match='fit_dataloader'):
        model.test_step(batches(1)[0])
    model.fit(batches(2))
    with pytest.raises(ValueError, match='fitted, not trained'):
        model(images_of(batches(1)), mode='loss')


def test_settings_are_json_and_models_move():
    for make in MODELS_TO_TRY.values():
        model = make()
        json.dumps(model.settings)
        model.fit(batches(10))
        assert isinstance(model, AnomalyModel)
        moved = model.to(torch.float32)
        assert moved.state.keys() == model.state.keys()
