"""Images that do not differ give no confident maps, and are named."""

import pytest
import torch
from mmpretrain.structures import DataSample
from torch import Tensor

from mmcvgssl.models.anomaly import MahalanobisAD
from tests.test_models.test_anomaly import MODELS_TO_TRY, SIDE, LocalTeacher

ALIKE = {
    'grey': lambda n: torch.full((n, 3, SIDE, SIDE), 128),
    'black': lambda n: torch.zeros(n, 3, SIDE, SIDE),
    'texture': lambda n: (
        torch.arange(3 * SIDE**2).remainder(251).view(1, 3, SIDE, SIDE)
    ).repeat(n, 1, 1, 1),
}
every_model = pytest.mark.parametrize('kind', MODELS_TO_TRY)


def loaded(images: Tensor) -> list[dict]:
    """Give images one by one, in batches of 1, 2, 3, ..."""
    made, first = [], 0
    while first < len(images):
        part = images[first : first + len(made) + 1]
        samples = [
            DataSample(metainfo=dict(img_path=f'{first + i}.png'))
            for i in range(len(part))
        ]
        made.append(
            dict(inputs=list(part.to(torch.uint8)), data_samples=samples)
        )
        first += len(part)
    return made


@every_model
@pytest.mark.parametrize('kind_of_image', ALIKE)
@pytest.mark.parametrize('calibration', [{}, {'floor': 0.5}])
def test_alike_images_are_named(kind, kind_of_image, calibration):
    model = MODELS_TO_TRY[kind](calibration=calibration)
    images = ALIKE[kind_of_image](22)
    model.fit(loaded(images))
    assert any('look the same' in text for text in model.remarks)
    maps, scores = model.predict(
        images[:3].float() / 255, [DataSample() for _ in range(3)]
    )
    assert bool(torch.isfinite(maps).all() and torch.isfinite(scores).all())
    assert float((maps - maps[:1]).abs().max()) < 0.1


@every_model
def test_what_is_said_of_the_images_stays_with_the_state(kind, tmp_path):
    model, again = (MODELS_TO_TRY[kind](calibration={}) for _ in range(2))
    model.fit(loaded(ALIKE['grey'](22)))
    model.save_fitted(tmp_path / 'state.safetensors')
    again.load_fitted(tmp_path / 'state.safetensors')
    assert again.remarks == model.remarks != []
    random = torch.Generator().manual_seed(0)
    model.fit(
        loaded(torch.randint(0, 255, (22, 3, SIDE, SIDE), generator=random))
    )
    assert model.remarks == []


@every_model
@pytest.mark.parametrize('change', [1, 127])
def test_a_pixel_that_differs_stands_out(kind, change):
    images = ALIKE['grey'](22)
    at = torch.arange(22)
    # mean filters of strides 2 and 4 see every place
    images[at, :, at % SIDE, (3 * at) % SIDE] += change
    model = MODELS_TO_TRY[kind](calibration={'floor': 0.5})
    model.fit(loaded(images))
    query = images[:1].float() / 255
    spot = query.clone()
    spot[..., 6:10, 6:10] = 1
    maps = model.predict(torch.cat([query, spot]), [DataSample()] * 2)[0]
    assert bool(torch.isfinite(maps).all())
    assert float(maps[1].max()) > float(maps[0].max())


@pytest.mark.parametrize(
    ('kind', 'n', 'refused'),
    [
        *((kind, 2, kind == 'ensemble') for kind in MODELS_TO_TRY),
        ('memory', 1, False),
        ('gaussian', 1, False),
        ('positions', 1, True),
        ('mutual', 1, True),
        ('ensemble', 1, True),
    ],
)
def test_few_images_give_finite_maps_or_a_sentence(kind, n, refused):
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 255, (2, 3, SIDE, SIDE), generator=random)
    model = MODELS_TO_TRY[kind]()
    if refused:
        with pytest.raises(ValueError, match='images'):
            model.fit(loaded(images[:n]))
        return
    model.fit(loaded(images[:n]))
    made = model.predict(images.float() / 255, [DataSample()] * 2)
    assert all(bool(torch.isfinite(part).all()) for part in made)


def test_pooled_features_of_one_image_are_refused():
    model = MahalanobisAD(LocalTeacher(), image_score='pooled')
    with pytest.raises(ValueError, match='at least 2 good images, got 1'):
        model.fit(loaded(ALIKE['grey'](1)))
