"""Models take images in tiles, and give one map and one score of each."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.logging import MMLogger
from mmpretrain.datasets.transforms import PackInputs
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmcvgssl.datasets.tiles import TILES, whole_if_tiled
from mmcvgssl.datasets.transforms import SquareResize
from mmcvgssl.maps import resize_map
from mmcvgssl.maps.boxes import map_to_boxes
from mmcvgssl.models.anomaly import (
    AnomalyModel,
    MahalanobisAD,
    MapEnsemble,
    MuSc,
    OneClassDetector,
    PaDiM,
    PatchCore,
)
from mmcvgssl.models.anomaly.blocks import is_held_out
from mmcvgssl.models.anomaly.tiled_images import IN_FLIGHT
from tests.clips import STRIP, all_clips, make_kead
from tests.data import picture
from tests.test_models.test_anomaly import LocalTeacher

TILE = 32


class Darkness(AnomalyModel):
    """A map of pixels, linear in them; remembers how many came at once."""

    def __init__(self, **kwargs) -> None:
        super().__init__(settings={}, **kwargs)
        self.most = 0
        self.data_preprocessor.whole.register_forward_pre_hook(self.note)

    def note(self, _, args) -> None:
        self.most = max(self.most, len(args[0]['inputs']))

    def predict_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = 1 - images.mean(1)
        return maps, maps.flatten(1).amax(1)


def item(image: np.ndarray, tile=TILE, side=TILE, path='a.png') -> dict:
    """Cut an image [H, W, 3] as a pipeline does."""
    resize = SquareResize(side, tile)
    results = resize({'img': image, 'img_path': path})
    keys = ('img_path', TILES)
    return PackInputs(meta_keys=keys)(results)


def noise(seed: int, height: int, width: int) -> np.ndarray:
    random = np.random.RandomState(seed)
    return random.randint(90, 110, (height, width, 3)).astype(np.uint8)


def test_maps_and_scores_are_those_without_tiles():
    image = noise(0, 100, 210)
    model = Darkness()
    batch = pseudo_collate([item(image)])
    (sample,) = model.test_step(batch)
    rgb = torch.from_numpy(image).permute(2, 0, 1)[None].flip(1) / 255
    whole, score = model(rgb)
    assert sample.anomaly_map.shape == (100, 210)
    assert torch.allclose(sample.anomaly_map, whole[0], atol=1e-6)
    assert float(sample.anomaly_score) == pytest.approx(float(score))


def test_a_dot_of_five_pixels_is_found_to_the_pixel_in_bounded_memory():
    image = np.full((1000, 2000, 3), 200, np.uint8)
    image[431:436, 1207:1212] = 0
    model = Darkness()
    (sample,) = model.test_step(pseudo_collate([item(image, 128, 128)]))
    values = sample.anomaly_map.numpy()
    boxes, _ = map_to_boxes(values, (1000, 2000), 0.5, min_area=0)
    assert boxes.tolist() == [[1207, 431, 1212, 436]]
    assert model.most == IN_FLIGHT
    assert len(sample.get(TILES)) > 10 * IN_FLIGHT


def test_that_an_image_is_one_tile_is_said_once(monkeypatch):
    said = []
    logger = MMLogger.get_current_instance()
    monkeypatch.setattr(logger, 'log', lambda _, text: said.append(text))
    model, image = Darkness(), noise(0, 32, 20)
    for _ in range(2):
        (sample,) = model.test_step(pseudo_collate([item(image, 64, 32)]))
    of_tiles = [text for text in said if 'no larger than a tile' in text]
    assert [text.split(' is ')[0] for text in of_tiles] == [
        'an image of 32 x 20 pixels'
    ]
    (whole,) = model.test_step(pseudo_collate([item(image, None, 32)]))
    assert torch.allclose(sample.anomaly_map, whole.anomaly_map, atol=1e-6)
    assert float(sample.anomaly_score) == float(whole.anomaly_score)


def test_images_of_very_different_sizes_pass_in_one_batch():
    sizes = [(20, 20), (33, 400), (100, 64), (7, 500)]
    items = [item(noise(i, *size)) for i, size in enumerate(sizes)]
    # what stands for an image that cannot be read
    black = torch.zeros(3, 8, 8, dtype=torch.uint8)
    broken = DataSample(metainfo=dict(img_path='b.png', unreadable=True))
    items.append({'inputs': black, 'data_samples': broken})
    samples = Darkness().test_step(pseudo_collate(items))
    # a side that is shorter than a tile is resized to it
    shapes = [tuple(s.anomaly_map.shape) for s in samples]
    assert shapes == [(32, 32), (33, 400), (100, 64), (32, 500), (8, 8)]


def test_the_grid_of_tiles_has_to_be_packed():
    steps = [
        dict(type='mmcvgssl.LoadImage', input_size=32),
        dict(type='mmcvgssl.SquareResize', input_size=32, tile='auto'),
        dict(type='mmpretrain.PackInputs', meta_keys=['img_path']),
    ]
    read, _, packed = whole_if_tiled(steps)
    assert 'input_size' not in read
    assert packed['meta_keys'] == ['img_path', TILES]
    assert whole_if_tiled(steps[::2]) == steps[::2]
    made = item(noise(0, 64, 64))
    made['data_samples'] = DataSample()
    with pytest.raises(ValueError, match="'tiles' among the meta_keys"):
        Darkness().test_step(pseudo_collate([made]))


def both(count: int, size=(48, 80)) -> tuple[list[dict], list[dict]]:
    """Return batches of images in tiles, and of these tiles as images."""
    tiled = [item(noise(i, *size), path=f'{i}.png') for i in range(count)]
    single = [
        {'inputs': tile, 'data_samples': one['data_samples']}
        for one in tiled
        for tile in one['inputs']
    ]
    each = len(tiled[0]['inputs'])
    assert 1 < each <= IN_FLIGHT
    return (
        [pseudo_collate([one]) for one in tiled],
        [
            pseudo_collate(single[i : i + each])
            for i in range(0, len(single), each)
        ],
    )


@pytest.mark.parametrize(
    'make',
    [
        lambda: PatchCore(LocalTeacher(), coreset_size=40, pool_size=200),
        lambda: MahalanobisAD(LocalTeacher(), image_score='sum'),
        lambda: PaDiM(LocalTeacher()),
    ],
)
def test_a_model_learns_from_tiles_as_from_images(make):
    tiled, single = both(6)
    one, other = make(), make()
    one.fit(tiled)
    other.fit(single)
    assert one.state.keys() == other.state.keys()
    for key, value in one.state.items():
        assert torch.equal(value, other.state[key]), key
    new = pseudo_collate([item(noise(9, 48, 80))])
    (sample,) = one.test_step(new)
    tiles = [
        dict(inputs=list(new['inputs'][0]), data_samples=None),
    ]
    maps, scores = other(**other.data_preprocessor(tiles[0], False))
    assert float(sample.anomaly_score) == float(scores.max())
    upper = sample.anomaly_map[:4, :4]
    assert torch.allclose(upper, maps[0, :4, :4], rtol=0.2)


def test_thresholds_are_those_of_whole_images():
    tiled, _ = both(30)
    model = PatchCore(
        LocalTeacher(), 40, pool_size=200, false_alarm_rate=0.3, calibration={}
    )
    model.fit(tiled)
    assert model.chosen['good_images'] == 6
    held = [batch for i, batch in enumerate(tiled) if is_held_out(i, 5)]
    samples = [model.test_step(batch)[0] for batch in held]
    highest = max(float(s.anomaly_score) for s in samples)
    assert model.threshold <= highest
    peaks = torch.stack([s.anomaly_map.amax() for s in samples])
    assert model.map_threshold >= float(peaks.median())


def test_members_of_an_ensemble_see_the_same_tiles():
    tiled, single = both(10)
    members = [PatchCore(LocalTeacher(), 40), MahalanobisAD(LocalTeacher())]
    model = MapEnsemble(members)
    model.fit(tiled)
    assert model.fitted
    (sample,) = model.test_step(tiled[0])
    assert sample.anomaly_map.shape[1] > sample.anomaly_map.shape[0]
    data = model.data_preprocessor(single[0], False)
    _, scores = model(**data)
    assert float(sample.anomaly_score) == pytest.approx(float(scores.max()))


@pytest.mark.parametrize(('images', 'references'), [(3, 10), (8, 5)])
def test_musc_compares_no_image_with_its_own_tiles(images, references):
    tiled, _ = both(images)
    model = MuSc(LocalTeacher(), references=references, share=0.01)
    model.fit(tiled)
    names = model.state['identities']
    assert len(names) == references
    assert len(set(names.tolist())) == min(images, references)
    # the nearest of its own tiles would be at no distance
    for batch in tiled:
        (sample,) = model.test_step(batch)
        assert float(sample.anomaly_map.min()) > 0.01


def test_musc_needs_two_images_not_two_tiles():
    tiled, _ = both(1)
    with pytest.raises(ValueError, match='at least 2 images, got 1'):
        MuSc(LocalTeacher(), references=4).fit(tiled)


def test_kead_remembers_all_tiles_of_its_normal_images(tmp_path):
    kead = make_kead(all_clips()['plain'], k=2, knowledge=STRIP)
    tiled, _ = both(3)
    kead.fit(tiled)
    tiles = len(tiled[0]['inputs'][0])
    patches = kead.path.grid[0] * kead.path.grid[1]
    assert len(kead.state['strip/0']) == 2 * tiles * patches
    kead.save_fitted(tmp_path / 'state.safetensors')
    again = make_kead(all_clips()['plain'], k=2, knowledge=STRIP)
    again.load_fitted(tmp_path / 'state.safetensors')
    (one,), (other,) = kead.test_step(tiled[2]), again.test_step(tiled[2])
    assert torch.equal(one.anomaly_map, other.anomaly_map)


@pytest.mark.parametrize(
    'options', [{}, {'patch': dict(size=16, stride=8)}, {'density': 'kde'}]
)
def test_tiles_of_an_image_are_in_one_fold(options):
    tiled, single = both(12)
    torch.manual_seed(0)
    backbone = nn.Conv2d(3, 4, 4, 4)
    one = OneClassDetector(backbone, false_alarm_rate=0.2, **options)
    one.fit(tiled)
    assert one.chosen['good_images'] == 12
    # the density is that of the tiles
    other = OneClassDetector(backbone, false_alarm_rate=0.2, **options)
    other.fit(single)
    for key in ('mean', 'whiten', 'centre'):
        if key in other.state:
            assert torch.allclose(
                one.state[key], other.state[key], rtol=1e-3, atol=1e-3
            ), key
    # each image is scored by what has not seen any of its tiles
    twelve = torch.tensor(
        [one.test_step(batch)[0].anomaly_score for batch in tiled]
    )
    assert one.threshold > float(twelve.quantile(0.5))
    sample = one.test_step(tiled[3])[0]
    whole = one.embed(one.data_preprocessor(single[3], False)['inputs'])
    assert torch.allclose(sample.embedding, whole.mean((0, 1)), atol=1e-5)


def test_normal_images_that_are_read_whole_are_refused(tmp_path):
    file = tmp_path / 'good.png'
    picture(1, 40).save(file)
    knowledge = {'strip': {**STRIP['strip'], 'normal_images': [str(file)]}}
    kead = make_kead(all_clips()['plain'], k=1, knowledge=knowledge)
    tiled, _ = both(1)
    kead.fit(tiled)
    with pytest.raises(ValueError, match='whole, and cannot compare tiles'):
        kead.test_step(tiled[0])


def test_what_is_small_stays_visible_in_tiles():
    """Five pixels of 512 count in a tile of 64, and vanish in the whole."""
    dark = noise(7, 512, 512)
    dark[300:305, 100:105] = 0
    scores = []
    for tile in (None, 64):
        model = PatchCore(LocalTeacher(), coreset_size=50)
        data = [
            pseudo_collate([item(noise(i, 512, 512), tile, 64)])
            for i in range(4)
        ]
        model.fit(data)
        made = [
            model.test_step(pseudo_collate([item(image, tile, 64)]))[0]
            for image in (dark, noise(8, 512, 512))
        ]
        scores.append([float(s.anomaly_score) for s in made])
    values = resize_map(made[0].anomaly_map.numpy(), (512, 512))
    y, x = np.unravel_index(values.argmax(), values.shape)
    assert abs(y - 302) < 16
    assert abs(x - 102) < 16
    (bad, good), (bad_tiles, good_tiles) = scores
    assert bad_tiles / good_tiles > 1.5 * bad / good


def peak(run: Callable[[], object]) -> int:
    """Return by how many bytes of memory the process grows at most."""
    Path('/proc/self/clear_refs').write_text('5')  # the peak begins anew
    known = Path('/proc/self/status').read_text()
    run()
    later = Path('/proc/self/status').read_text()
    before, most = (
        int(re.search(rf'{key}:\s+(\d+) kB', text)[1]) * 1024
        for key, text in (('VmRSS', known), ('VmHWM', later))
    )
    return most - before


@pytest.mark.skipif(
    not Path('/proc/self/clear_refs').exists(), reason='no procfs'
)
def test_ten_times_the_image_takes_its_own_memory_alone():
    model = PatchCore(LocalTeacher(levels=(1,)), coreset_size=20)
    model.fit([pseudo_collate([item(noise(0, 320, 320), 64, 64)])])
    small, large = noise(1, 640, 1280), noise(2, 6400, 1280)

    def predict(image: np.ndarray) -> None:
        model.test_step(pseudo_collate([item(image, 64, 64)]))

    sizes = [peak(partial(predict, one)) for one in (small, small, large)]
    tiles = 1.3 * (large.nbytes - small.nbytes)  # overlaps are read twice
    # sums, weights and values of the map, one on 4 x 4 pixels of 3 bytes
    values = (large.size - small.size) / 3 / 16 * (8 + 8 + 4 + 4)
    assert sizes[-1] - sizes[1] < 1.2 * (tiles + values)
