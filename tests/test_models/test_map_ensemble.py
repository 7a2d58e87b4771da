"""What an ensemble's members know holds in the ensemble."""

import pytest
import torch
from mmengine.config import Config
from mmpretrain.structures import DataSample
from safetensors.torch import save

from mmcvgssl.apis.make_maps import _fits_on_collection
from mmcvgssl.models.anomaly import (
    AnomalyModel,
    FittedStateError,
    MahalanobisAD,
    MapEnsemble,
    MuSc,
    PatchCore,
)
from mmcvgssl.models.anomaly.blocks import is_held_out
from mmcvgssl.models.anomaly.fitting_images import FittingImages
from mmcvgssl.registry import MODELS
from tests.test_models.test_anomaly import LocalTeacher, batches, images_of


def memory(**kwargs) -> PatchCore:
    return PatchCore(LocalTeacher(), coreset_size=40, **kwargs)


def mutual(**kwargs) -> MuSc:
    return MuSc(LocalTeacher(), **{'references': 24, **kwargs})


class Witness(AnomalyModel):
    """Writes down what it is told of images, and maps their mean."""

    needs_fit = True

    def __init__(self, **kwargs) -> None:
        super().__init__({}, **kwargs)
        self.learned: list[list[str]] = []
        self.asked: list[str] = []
        self.categories: list[str] = []

    def _fit(self, images: FittingImages) -> None:
        names = [s.img_path for _, samples in images for s in samples]
        self.learned.append(names)
        self.state['seen'] = torch.tensor([float(len(names))])

    def _predict(self, images, data_samples):
        self.asked += [s.get('img_path', '') for s in data_samples]
        self.categories += [s.get('category', '') for s in data_samples]
        maps = images.mean(1)[:, ::4, ::4]
        return maps, maps.flatten(1).amax(1)


def test_an_image_is_not_compared_with_itself():
    data = batches(24)
    alone, both = mutual(), MapEnsemble([mutual()])
    for model in (alone, both):
        model.fit(data)
    images = images_of(data)
    samples = [s for b in data for s in b['data_samples']]
    maps, scores = alone.predict(images, samples)
    got = both.predict(images, samples)
    for which, values in enumerate((maps, scores)):
        low, high = values.quantile(0.5), values.quantile(0.99)
        torch.testing.assert_close(
            got[which], (values - low) / (high - low), atol=1e-3, rtol=1e-3
        )
    assert (both.predict_unnamed(images)[1] < got[1]).all()


def test_members_see_the_data_samples():
    data = batches(10)
    for i, sample in enumerate(s for b in data for s in b['data_samples']):
        sample.set_field(
            f'kind {i // 5 % 2}', 'category', field_type='metainfo'
        )
    member = Witness()
    model = MapEnsemble([member, memory()])
    model.fit(data)
    assert set(member.categories) == {'kind 0', 'kind 1'}
    model.predict_maps(images_of(data))  # without them, too


@pytest.mark.parametrize('held_apart', [False, True])
def test_no_member_learns_from_what_the_threshold_is_chosen_on(held_apart):
    member = Witness()
    model = MapEnsemble([member], false_alarm_rate=0.25, calibration={})
    apart = batches(8, seed=1) if held_apart else None
    model.fit(batches(40), apart)
    learned = {name for names in member.learned for name in names}
    measured = set(member.asked) - learned
    if held_apart:
        assert measured == {f'1/{i}.png' for i in range(8)}
        assert len(learned) == 40
    else:
        held = {f'0/{i}.png' for i in range(40) if is_held_out(i, 5)}
        assert measured == held
        assert len(learned) == 32
    # scales are measured on images that the members had not seen
    first, last = map(set, member.learned)
    assert first < last
    assert model.chosen['method'] == 'held-out'
    assert model.chosen['good_images'] == 8


def test_a_members_calibration_holds():
    data, query = batches(30), images_of(batches(3, seed=4))
    member = memory(calibration={'quantile': 0.9})
    model = MapEnsemble([member])
    model.fit(data)
    maps, scores = model.predict_maps(query)
    own_maps, own_scores = member.predict(query, [DataSample()] * 3)
    assert 0 <= float(own_maps.min()) <= float(own_maps.max()) < 1
    (map_low, score_low), (by_map, by_score) = model.state['scale.0']
    torch.testing.assert_close(maps, (own_maps - map_low) * by_map)
    torch.testing.assert_close(scores, (own_scores - score_low) * by_score)


def test_what_it_is_fitted_to_is_what_its_members_are():
    of_collection = MapEnsemble([mutual(), mutual(references=9)])
    assert of_collection.fits_on_collection
    assert of_collection.fit_sample == 24
    seeds = [mutual(references=9, seed=1), mutual(seed=7)]
    assert [m.fit_seed for m in seeds] == [1, 7]
    assert MapEnsemble(seeds).fit_seed == 7
    of_good = MapEnsemble([memory(), Witness()])
    assert not of_good.fits_on_collection
    assert of_good.fit_sample == 0
    teacher = dict(type='mmcvgssl.TimmTeacher')
    for name, wanted in (('MuSc', True), ('PatchCore', False)):
        member = dict(type=f'mmcvgssl.{name}', teacher=teacher)
        config = dict(type='mmcvgssl.MapEnsemble', members=[member])
        for model in (member, config):
            cfg = Config(dict(model=model))
            assert _fits_on_collection(cfg) is wanted
    assert MODELS.get('mmcvgssl.MapEnsemble') is MapEnsemble


@pytest.mark.parametrize(
    ('members', 'message'),
    [
        (lambda: [mutual(), memory()], 'take either out'),
        (lambda: [memory(false_alarm_rate=0.1)], "set the ensemble's"),
        (
            lambda: [
                dict(
                    type='mmcvgssl.PatchCore',
                    teacher=LocalTeacher(),
                    data_preprocessor=dict(
                        type='mmengine.ImgDataPreprocessor'
                    ),
                )
            ],
            'give it to the ensemble',
        ),
    ],
)
def test_members_that_do_not_go_together_are_refused(members, message):
    with pytest.raises(ValueError, match=message):
        MapEnsemble(members())


def test_a_threshold_needs_members_that_know_good_images():
    with pytest.raises(ValueError, match='nothing is known to be good'):
        MapEnsemble([mutual()], false_alarm_rate=0.1)


def test_a_file_holds_all_of_every_member(tmp_path):
    def make() -> MapEnsemble:
        inner = MapEnsemble([memory(), MahalanobisAD(LocalTeacher())])
        return MapEnsemble([inner, memory(calibration={})], calibration={})

    model, again = make(), make()
    model.fit(batches(30))
    model.save_fitted(tmp_path / 'state.safetensors')
    assert not again.fitted
    again.load_fitted(tmp_path / 'state.safetensors')
    assert again.fingerprint() == model.fingerprint()
    query = images_of(batches(3, seed=4))
    for ours, theirs in zip(
        model.predict(query, [DataSample()] * 3),
        again.predict(query, [DataSample()] * 3),
        strict=True,
    ):
        assert torch.equal(ours, theirs)


def test_a_state_without_its_members_is_refused():
    model = MapEnsemble([memory()])
    model.fit(batches(10))
    content = model._tensors()
    cut = {k: v for k, v in content.items() if not k.startswith('members.')}
    data = save(cut, model._notes())
    with pytest.raises(FittedStateError, match=r'members\.0\.state\.memory'):
        MapEnsemble([memory()]).load_fitted_bytes(data)
