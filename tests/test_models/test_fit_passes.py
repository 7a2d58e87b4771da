"""A fit is the same in several processes, and after any interruption."""

import os
import shutil
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mmpretrain.structures import DataSample
from safetensors.torch import load
from torch import distributed as dist
from torch import multiprocessing
from torch.utils.data import Dataset

from mmcvgssl import progress
from mmcvgssl.datasets import ImageList
from mmcvgssl.datasets.reading import TooManyUnreadableError
from mmcvgssl.datasets.tiles import TILES, TileGrid
from mmcvgssl.engine.fit_loader import FitLoader
from mmcvgssl.models.anomaly import (
    AnomalyModel,
    FittedStateError,
    MahalanobisAD,
    MapEnsemble,
    MuSc,
    OneClassDetector,
    PaDiM,
    PatchCore,
)
from mmcvgssl.models.anomaly.coreset import PatchPool
from mmcvgssl.models.anomaly.fitted_state import read_notes
from mmcvgssl.models.anomaly.fitting_images import FittingImages
from mmcvgssl.models.anomaly.partial_fit import PartialFit
from mmcvgssl.models.anomaly.passes import Passes
from mmcvgssl.processes import on_first_process
from mmcvgssl.provenance import Provenance
from tests.clips import KNOWLEDGE, make_clip, make_kead
from tests.data import picture
from tests.test_models.test_anomaly import SIDE, LocalTeacher

COUNT, SIZE = 26, 4
UNREADABLE = (2, 3, 9)
READ = [
    dict(type='mmcvgssl.LoadImage'),
    dict(type='mmcvgssl.SquareResize', input_size=SIDE),
    dict(type='mmpretrain.PackInputs'),
]
MEASURED = {'calibration': {'holdout': 0.4}, 'false_alarm_rate': 0.3}


class Unplugged(OSError):
    """What reading an image may raise at any time."""


class Images(Dataset):
    """Grey noise, some of it unreadable.

    Args:
        act: Is told of each image before it is read.
        count: Of the images.
    """

    def __init__(
        self, act: Callable[[int], None] | None = None, count: int = COUNT
    ) -> None:
        self.act, self.count = act, count
        self.read: list[int] = []

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, i: int) -> dict:
        if self.act is not None:
            self.act(i)
        self.read.append(i)
        random = np.random.RandomState(i)
        image = random.uniform(90, 110, (3, SIDE, SIDE)).astype(np.uint8)
        facts = {'img_path': f'{i}.png', 'category': ('strip', 'tile')[i % 2]}
        if i in UNREADABLE:
            facts['unreadable'] = True
        sample = DataSample(metainfo=facts)
        return {'inputs': torch.from_numpy(image), 'data_samples': sample}


class Strips(Images):
    """Images in tiles."""

    def __getitem__(self, i: int) -> dict:
        item = super().__getitem__(i)
        random = np.random.RandomState(100 + i)
        size = SIDE, 3 * SIDE - 5
        strip = random.uniform(90, 110, (3, *size)).astype(np.uint8)
        grid = TileGrid.over(size, SIDE, 4)
        tiles = [strip[:, y : y + SIDE, x : x + SIDE] for y, x in grid]
        item['data_samples'].set_metainfo({TILES: grid})
        return {**item, 'inputs': torch.from_numpy(np.stack(tiles))}


def loader(images: Dataset, **kwargs) -> FitLoader:
    return FitLoader(images, SIZE, **kwargs)


def one_class(**kwargs) -> OneClassDetector:
    torch.manual_seed(0)
    net = {'type': 'mmpretrain.ResNet', 'depth': 18}
    net.update(base_channels=4, stem_channels=4)
    return OneClassDetector(net, false_alarm_rate=0.3, **kwargs)


MODELS: dict[str, Callable[[], AnomalyModel]] = {
    # a pool that overflows
    'memory': lambda: PatchCore(
        LocalTeacher(), 30, pool_size=150, local_scale=2, **MEASURED
    ),
    'whitened': lambda: PatchCore(
        LocalTeacher(), 30, pool_size=150, whiten=True, **MEASURED
    ),
    'gaussian': lambda: MahalanobisAD(
        LocalTeacher(), image_score='sum', pooled_images=6
    ),
    'positions': lambda: PaDiM(
        LocalTeacher(), neighbourhood=3, channels=4, **MEASURED
    ),
    'mutual': lambda: MuSc(
        LocalTeacher(),
        references=5,
        neighbourhoods=(1, 3),
        calibration={'floor': 0.3},
    ),
    'ensemble': lambda: MapEnsemble(
        [
            PatchCore(LocalTeacher(), 20, calibration={}),
            MahalanobisAD(LocalTeacher(levels=(1,)), image_score='pooled'),
        ],
        **MEASURED,
    ),
    'kead': lambda: make_kead(
        make_clip(4), knowledge=KNOWLEDGE, k=4, calibration={}
    ),
    'one-class': one_class,
    'patches': lambda: one_class(
        patch={'size': 8, 'stride': 8, 'pool': 100}, folds=3
    ),
    'places': lambda: one_class(
        patch={'size': 8, 'stride': 8, 'shared': False}
    ),
}
IN_TILES = ('memory', 'gaussian', 'positions', 'mutual', 'kead', 'one-class')
MODELS_IN_TILES = {name: MODELS[name] for name in IN_TILES} | {
    'by position': lambda: PatchCore(
        LocalTeacher(), 30, pool_size=300, per_position=True, **MEASURED
    )
}
every_model = pytest.mark.parametrize('name', MODELS)


def passes(path: Path, seconds: float = 30.0, **facts) -> Passes:
    facts = Provenance({'images': 'these', **facts})
    return Passes(PartialFit(path / 'fitted.safetensors', facts, seconds))


def fit(name: str, images: Images, *args, **kwargs) -> AnomalyModel:
    model = MODELS[name]()
    model.fit(loader(images, **kwargs), None, *args)
    return model


def content(data: bytes) -> tuple[dict, dict]:
    """Texts and tensors of a file, whose order in it is left to chance."""
    tensors = {
        key: (value.dtype, value.shape, value.numpy().tobytes())
        for key, value in load(data).items()
    }
    return read_notes(data), tensors


def learned(*args, **kwargs) -> tuple[dict, dict]:
    return content(fit(*args, **kwargs).fitted_bytes())


# several processes


def process(rank: int, port: int, out: str) -> None:
    os.environ.update(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    os.environ.update(RANK=str(rank), WORLD_SIZE='2', LOCAL_RANK=str(rank))
    torch.set_num_threads(1)
    dist.init_process_group('gloo')
    found = {}
    for name in MODELS:
        images = Images()
        model = fit(name, images)
        found[name] = (model.fitted_bytes(), images.read)
        try:
            fit(name, failing(rank, 12), passes(Path(out, name)))
        except (Unplugged, RuntimeError) as error:
            found[f'{name} failed'] = type(error).__name__
        copy = Path(out, f'{name} again')
        on_first_process(partial(shutil.copytree, Path(out, name), copy))
        images = Images()
        model = fit(name, images, passes(copy))
        found[f'{name} again'] = (model.fitted_bytes(), images.read)
    for name, make in MODELS_IN_TILES.items():
        model = make()
        model.fit(loader(Strips()))
        found[f'{name} in tiles'] = model.fitted_bytes()
    images = ImageList(out, pipeline=READ, max_unreadable=0.1)
    try:
        MODELS['memory']().fit(loader(images))
    except TooManyUnreadableError as error:
        found['unreadable'] = str(error)
    torch.save(found, f'{out}/{rank}.pt')
    dist.destroy_process_group()


def failing(rank: int, at: int) -> Images:
    """Images of which one cannot be read the second time, by one process."""

    def act(i: int) -> None:
        if rank == 1 and i >= at:
            raise Unplugged(f'no image {i}')

    return Images(act)


@pytest.fixture(scope='module')
def halves(tmp_path_factory) -> tuple[Path, list[dict]]:
    """What two processes learn, each from its share."""
    out = tmp_path_factory.mktemp('halves')
    for i in range(20):
        picture(i, SIDE).save(out / f'{i:02}.png')
        if i in (1, 9, 5):  # two of the first process, one of the second
            (out / f'{i:02}.png').write_bytes(b'broken')
    with socket.socket() as sock:
        sock.bind(('127.0.0.1', 0))
        port = sock.getsockname()[1]
    multiprocessing.spawn(process, (port, str(out)), nprocs=2)
    return out, [torch.load(out / f'{rank}.pt') for rank in (0, 1)]


@every_model
def test_two_processes_learn_what_one_does(halves, name):
    images = Images()
    alone = learned(name, images)
    (one, read), (two, other) = (half[name] for half in halves[1])
    assert content(one) == content(two) == alone
    # each reads its batches alone; of a pass that needs one batch the second
    # process has read one, too
    assert {i // SIZE % 2 for i in read} == {0}
    assert {i // SIZE % 2 for i in other} == {1}
    assert len(read) + len(other) <= len(images.read) + 2 * SIZE


@pytest.mark.parametrize('name', MODELS_IN_TILES)
def test_two_processes_learn_from_tiles_what_one_does(halves, name):
    model = MODELS_IN_TILES[name]()
    model.fit(loader(Strips()))
    alone = content(model.fitted_bytes())
    for half in halves[1]:
        assert content(half[f'{name} in tiles']) == alone


@every_model
def test_what_one_process_cannot_read_stops_all(halves, name):
    out, found = halves
    assert [half[f'{name} failed'] for half in found] == ['Unplugged'] * 2
    # where two have stopped, after one round, two go on, and so does one
    images, whole = Images(), Images()
    (one, read), (two, other) = (half[f'{name} again'] for half in found)
    assert content(one) == content(two) == learned(name, whole)
    assert (read[0], other[0]) == (2 * SIZE, 3 * SIZE)
    assert learned(name, images, passes(out / name)) == content(one)
    assert len(images.read) < len(whole.read)


def test_unreadable_images_of_all_processes_count(halves):
    for half in halves[1]:
        assert '3 of 20 images cannot be read' in half['unreadable']


# interruptions


class Short:
    """Lets few images be read, and then stops at the start of a batch.

    Args:
        count: Of the images.
        stop: What is done then.
    """

    def __init__(self, count: int, stop: Callable[[], None]) -> None:
        self.left, self.stop = count, stop

    def __call__(self, i: int) -> None:
        if self.left <= 0 and i % SIZE == 0:
            self.stop()
        self.left -= 1


def unplug() -> None:
    raise Unplugged('the disk is gone')


@every_model
@pytest.mark.parametrize('batches', [1, 3])
def test_a_fit_goes_on_wherever_it_ends(tmp_path, name, batches):
    whole = Images()
    wanted = learned(name, whole)
    read, got = [], None
    for _ in range(200):
        images = Images(Short(batches * SIZE, unplug))
        try:
            got = learned(name, images, passes(tmp_path))
        except Unplugged:
            read += images.read
            continue
        read += images.read
        break
    assert got == wanted
    # what was taken is not read again
    assert sorted(read) == sorted(whole.read)


@pytest.mark.parametrize('name', ['memory', 'one-class'])
def test_images_held_out_are_not_read_again_either(tmp_path, name):
    def learn(apart: Images, *args) -> tuple[dict, dict, list[int]]:
        model, images = MODELS[name](), Images()
        model.fit(loader(images), loader(apart), *args)
        return *content(model.fitted_bytes()), images.read

    texts, tensors, _ = learn(Images(count=18))
    with pytest.raises(Unplugged):
        learn(Images(Short(2 * SIZE, unplug), 18), passes(tmp_path))
    rest = Images(count=18)
    assert learn(rest, passes(tmp_path)) == (texts, tensors, [])
    assert rest.read[0] == 2 * SIZE


class Mean(AnomalyModel):
    """Fits in a loop of its own, as a user's model may."""

    needs_fit = True

    def __init__(self, **kwargs) -> None:
        super().__init__({}, **kwargs)

    def _fit(self, images: FittingImages) -> None:
        means = [inputs.mean((1, 2, 3)) for inputs, _ in images]
        self.state = {'mean': torch.cat(means).mean()[None]}

    def predict_maps(self, images: torch.Tensor) -> tuple:
        maps = (images.mean(1) - self.state['mean']).abs()
        return maps, maps.flatten(1).amax(1)


def test_a_model_with_a_loop_of_its_own_measures_in_passes(tmp_path):
    def learn(images: Images, *args) -> tuple[dict, dict]:
        model = Mean(**MEASURED)
        model.fit(loader(images), None, *args)
        return content(model.fitted_bytes())

    whole, rest = Images(), Images()
    wanted = learn(whole)
    assert len(whole.read) == 3 * COUNT
    with pytest.raises(Unplugged):
        learn(Images(Short(COUNT + 2 * SIZE, unplug)), passes(tmp_path))
    assert learn(rest, passes(tmp_path)) == wanted
    assert rest.read == whole.read[:COUNT] + whole.read[COUNT + 2 * SIZE :]


@pytest.mark.parametrize(
    ('number', 'error'),
    [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)],
)
def test_a_signal_ends_a_fit_that_goes_on(tmp_path, number, error, request):
    # a job in the background ignores Ctrl-C, and so does a fit in it
    own = signal.signal(number, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(number, own))
    before = signal.getsignal(number)
    first = Images(Short(8, lambda: os.kill(os.getpid(), number)))
    with pytest.raises(error) as raised:
        fit('memory', first, passes(tmp_path))
    assert getattr(raised.value, 'code', 143) == 143
    assert signal.getsignal(number) == before
    second, whole = Images(), Images()
    assert learned('memory', second, passes(tmp_path)) == learned(
        'memory', whole
    )
    assert second.read == whole.read[8:]


def test_a_signal_waits_until_a_batch_is_taken(tmp_path, monkeypatch):
    add, calls = PatchPool.add, []

    def interrupted(pool: PatchPool, rows: torch.Tensor) -> None:
        calls.append(len(rows))
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGTERM)  # of one who cannot wait
        add(pool, rows)

    wanted = learned('memory', Images())
    with monkeypatch.context() as patch:
        patch.setattr(PatchPool, 'add', interrupted)
        with pytest.raises(SystemExit):
            fit('memory', Images(), passes(tmp_path))
    again = Images()
    assert learned('memory', again, passes(tmp_path)) == wanted
    assert again.read[0] == 2 * SIZE


def test_what_was_taken_in_part_is_not_put_aside(tmp_path, monkeypatch):
    add, calls = PatchPool.add, []

    def broken(pool: PatchPool, rows: torch.Tensor) -> None:
        calls.append(len(rows))
        add(pool, rows)
        if len(calls) == 3:
            raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(PatchPool, 'add', broken)
        with pytest.raises(MemoryError):
            fit('memory', Images(), passes(tmp_path))
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(('seconds', 'files'), [(0, 0), (1e-9, 1), (1000, 1)])
def test_files_are_written_as_often_as_wanted(tmp_path, seconds, files):
    with pytest.raises(Unplugged):
        fit('memory', Images(Short(9, unplug)), passes(tmp_path, seconds))
    names = [path.name for path in tmp_path.iterdir()]
    assert names == ['fitted.partial.0.safetensors'] * files


def test_files_of_another_fit_are_not_taken_up(tmp_path):
    with pytest.raises(Unplugged):
        fit('memory', Images(Short(9, unplug)), passes(tmp_path))
    for name, facts, word in (
        ('memory', {'images': 'others'}, 'remove .*partial'),
        ('mutual', {}, "'fitting MuSc', got"),
    ):
        with pytest.raises(FittedStateError, match=word):
            fit(name, Images(), passes(tmp_path, **facts))
    file = tmp_path / 'fitted.partial.0.safetensors'
    file.write_bytes(file.read_bytes()[:-9])
    with pytest.raises(FittedStateError, match='cut off'):
        fit('memory', Images(), passes(tmp_path))


def test_a_full_disk_does_not_end_the_fit(tmp_path, monkeypatch):
    def full(*args) -> None:
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(
        'mmcvgssl.models.anomaly.partial_fit.atomic_write', full
    )
    said: list[str] = []
    monkeypatch.setattr(
        'mmcvgssl.models.anomaly.partial_fit.print_log',
        lambda text, **kwargs: said.append(text),
    )
    found = learned('memory', Images(), passes(tmp_path, 1e-9))
    assert found == learned('memory', Images())
    assert 'No space left' in said[0]


def test_workers_read_the_share_of_a_process():
    images = loader(Images(), num_workers=2)
    names = [
        [sample.img_path for sample in batch['data_samples']]
        for batch in images.share(6, 1, 2)
    ]
    assert names == [
        [f'{i}.png' for i in range(start, min(start + SIZE, COUNT))]
        for start in (10, 18)
    ]
    assert len([*images]) == 7


def test_a_bar_says_what_is_done(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(progress, 'on_terminal', lambda: True)
    begun = PartialFit(tmp_path / 'x.safetensors', Provenance({}), 30)
    fit('memory', Images(), Passes(begun, bar=True))
    said = capsys.readouterr().err
    for verb in ('fitting', 'calibrating', 'choosing the threshold of'):
        assert f'{verb} PatchCore: 100%' in said
    assert '26/26' in said
    assert 'image/s' in said
