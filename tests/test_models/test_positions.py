"""PatchCore with a memory for each position of a tile."""

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmpretrain.structures import DataSample

from mmcvgssl.models.anomaly import (
    FittedStateError,
    MapEnsemble,
    PatchCore,
)
from mmcvgssl.models.anomaly.positions import memories_of
from tests.test_models.test_anomaly import LocalTeacher, batches
from tests.test_models.test_tiled_images import item

SIZE = (32, 96)


def part(seed: int, turned: bool = False, size=SIZE) -> np.ndarray:
    """A bright band between dark ones, or a dark one between bright ones."""
    random = np.random.RandomState(seed)
    image = np.full((*size, 3), 190.0 if turned else 60.0)
    third = size[1] // 3
    image[:, third : 2 * third] = 60 if turned else 190
    image += random.uniform(-8, 8, image.shape)
    return image.astype(np.uint8)


def loaded(images) -> list[dict]:
    return [
        pseudo_collate([item(image, path=f'{i}.png')])
        for i, image in enumerate(images)
    ]


def fitted(per_position: bool, count: int = 6, **options) -> PatchCore:
    model = PatchCore(LocalTeacher(), 90, per_position=per_position, **options)
    model.fit(loaded(part(i) for i in range(count)))
    return model


@pytest.mark.parametrize(
    'options', [{}, {'local_scale': 3, 'top': 0.1}, {'reweight': 2}]
)
def test_what_is_normal_elsewhere_is_not_normal_here(options, tmp_path):
    one, each = fitted(False, **options), fitted(True, **options)
    right, wrong = part(20), part(20, turned=True)
    (a, b), (c, d) = (
        [
            float(model.test_step(batch)[0].anomaly_score)
            for batch in loaded([right, wrong])
        ]
        for model in (one, each)
    )
    assert d / c > 1.5 * b / a
    tiles = len(item(right)['inputs'])
    memory = each.state['memory']
    assert each.state['position'].unique().tolist() == list(range(tiles))
    assert len(memory) == 90 // tiles * tiles

    each.save_fitted(tmp_path / 'state.safetensors')
    again = PatchCore(LocalTeacher(), 90, per_position=True, **options)
    again.load_fitted(tmp_path / 'state.safetensors')
    (batch,) = loaded([wrong])
    made = [m.test_step(batch)[0].anomaly_map for m in (each, again)]
    assert torch.equal(*made)


def test_a_memory_is_that_of_the_tiles_at_the_position():
    model = fitted(True)
    cut = [item(part(i)) for i in range(6)]
    tiles = len(cut[0]['inputs'])
    for position in range(tiles):
        rgb = [one['inputs'][position].flip(0) / 255 for one in cut]
        rows = model._rows(model.features(torch.stack(rgb)))
        memory = model.state['memory'][model.state['position'] == position]
        nearest = torch.cdist(memory, rows).amin(1)
        assert float(nearest.max()) < 1e-2


def test_images_of_another_size_are_refused():
    model = PatchCore(LocalTeacher(), 90, per_position=True)
    with pytest.raises(ValueError, match=r'1.png: expected an image of 32 x '):
        model.fit(loaded([part(0), part(1, size=(32, 97))]))
    model = fitted(True)
    with pytest.raises(ValueError, match=r'0.png: .* got one of 32 x 64'):
        model.test_step(loaded([part(0, size=(32, 64))])[0])


def test_images_that_are_cut_otherwise_are_refused():
    model = fitted(True)
    for tile in (40, 64):
        data = pseudo_collate([item(part(0), tile, 32, 'new.png')])
        with pytest.raises(ValueError, match=r'new.png: expected \d+ tiles'):
            model.test_step(data)


def test_images_of_a_batch_have_their_own_positions():
    """Also behind one that stands for an image that cannot be read."""
    model = fitted(True)
    broken = {
        'inputs': torch.zeros(3, *SIZE, dtype=torch.uint8),
        'data_samples': DataSample(metainfo=dict(unreadable=True)),
    }
    items = [item(part(i)) for i in (20, 21)]
    alone = [
        model.test_step(pseudo_collate([one]))[0].anomaly_map for one in items
    ]
    together = pseudo_collate([items[0], broken, items[1]])
    inputs = model.data_preprocessor(together)['inputs']
    scored = [
        values.amax()
        for values in model.test_step(together)[::2]
        for values in [values.anomaly_map]
    ]
    assert torch.equal(torch.stack(scored), torch.stack(alone).amax((1, 2)))
    with pytest.raises(ValueError, match='images of one size'):
        model(inputs[[0, 1, 2]], together['data_samples'])
    maps, _ = model(inputs[[0, 2]], together['data_samples'][::2])
    assert torch.equal(maps, torch.stack(alone))


@pytest.mark.parametrize(
    'position', [[0, 0, 2], [1, 1, 2], [0, 1, 0], [0, 1, 10**15]]
)
def test_a_file_with_positions_that_are_none_is_refused(position):
    model = fitted(True)
    tensors = {
        **model.learned_tensors(),
        'state.position': torch.tensor(position),
        'state.memory': model.state['memory'][:3],
    }
    with pytest.raises(FittedStateError, match=r'a\.safetensors: expected'):
        model.take_learned({}, tensors, 'a.safetensors')


def test_whole_images_are_refused():
    model = PatchCore(LocalTeacher(), 90, per_position=True)
    with pytest.raises(ValueError, match='expected images in tiles'):
        model.fit(batches(4))
    model = fitted(True)
    with pytest.raises(ValueError, match='expected images in tiles'):
        model.test_step(batches(1)[0])
    with pytest.raises(ValueError, match='expected images in tiles'):
        model.predict_unnamed(torch.rand(1, 3, 32, 32))
    ensemble = MapEnsemble([model, PatchCore(LocalTeacher(), 9)])
    data = loaded(part(i) for i in range(10))
    with pytest.raises(ValueError, match='take it out of an ensemble'):
        ensemble.fit(data)


def test_more_images_are_added_to_the_memories():
    model = fitted(True, count=4)
    whole = fitted(True, count=6)
    model.update(loaded(part(i) for i in range(4, 6)))
    assert model.state.keys() == whole.state.keys()
    for key in ('position', 'image'):
        assert torch.equal(model.state[key], whole.state[key])
    assert int(model.basis['seen']) == int(whole.basis['seen'])
    # patches of the new images are there, each at its position
    for number in (0, 4, 5):
        tiles = item(part(number))['inputs'].flip(1) / 255
        for own, tile in zip(memories_of(model.state), tiles, strict=True):
            rows = model._rows(model.features(tile[None]))
            nearest = torch.cdist(own['memory'], rows).amin(1)
            assert float(nearest.min()) < 1e-2
    with pytest.raises(ValueError, match='got one of 32 x 97'):
        model.update(loaded([part(1, size=(32, 97))]))
