"""Every producer of results, and all that its results depend on.

Where something has changed, the earlier result is not taken for one of it:
it is kept beside, and found again when the change is undone. Where nothing
has changed it is kept.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import uuid
from ast import literal_eval
from collections.abc import Callable
from copy import deepcopy
from functools import cache
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.config import Config

from mmcvgssl.apis import load_config, make_maps
from mmcvgssl.apis.few_shot import FewShot
from mmcvgssl.apis.one_class import provenance as one_class
from mmcvgssl.engine import AnomalyFitHook
from mmcvgssl.evaluation.few_shot import FewShotResults
from mmcvgssl.models.teachers import TimmTeacher
from mmcvgssl.pipeline import Pipeline, plan, read_inputs, stage
from mmcvgssl.provenance import RECORD, ProvenanceError, sources
from mmcvgssl.registry import DATASETS, MODELS
from mmcvgssl.runner import work_dir as training
from tests.data import CONFIGS, picture

SIDE = 32
TOWER = 'test_efficientnet'


@cache
def load(base: str, options: str) -> Config:
    """Load a config; once, as that takes longer than all else."""
    return load_config(CONFIGS / base, literal_eval(options))


@cache
def stage_config(path: str, options: str, classes, samples) -> Config:
    """Load the config of a stage; once."""
    return stage.build_config(path, literal_eval(options), classes, samples)


def build_config(path: str, options, classes=(), samples=None) -> Config:
    return deepcopy(stage_config(path, repr(dict(options)), classes, samples))


@cache
def tower(seed: int) -> bytes:
    """Return a file of weights."""
    torch.manual_seed(seed)
    made = TimmTeacher(TOWER, allow_random=True, input_size=SIDE)
    file = BytesIO()
    torch.save(made.tower.state_dict(), file)
    return file.getvalue()


class Bench:
    """A data set, weights and options in the current folder."""

    def __init__(self) -> None:
        # relative, so that configs are the same in all tests
        self.home, self.root = Path(), Path('data')
        for folder, first in (('good', 0), ('dent', 100), ('fine', 200)):
            for i in range(6):
                file = self.root / folder / f'{i}.png'
                file.parent.mkdir(parents=True, exist_ok=True)
                picture(first + 3 * i, SIDE).save(file)
        lists = self.root / 'mmcvgssl'
        lists.mkdir()
        self.list = lists / 'train.txt'
        self.write_list(self.list, range(3))
        self.write_list(lists / 'test.txt', range(3, 6))
        self.weights = self.home / 'weights.pth'
        self.save_weights(0)
        self.write_fit_list(range(4))
        # of the config, and of the call
        self.options: dict = {}
        self.call: dict = {}

    @staticmethod
    def write_list(file: Path, numbers) -> None:
        lines = [
            f'{name}/{i}.png {label}\n'
            for label, name in enumerate(('good', 'dent'))
            for i in numbers
        ]
        file.write_text(''.join(lines))

    def write_fit_list(self, numbers) -> None:
        text = ''.join(f'good/{i}.png 0\n' for i in numbers)
        (self.root / 'mmcvgssl/fit.txt').write_text(text)

    def save_weights(self, seed: int) -> None:
        self.weights.write_bytes(tower(seed))

    @property
    def teacher(self) -> dict:
        return dict(
            type='mmcvgssl.TimmTeacher',
            model_name=TOWER,
            weights=str(self.weights),
            levels=(1, 2),
            input_size=SIDE,
        )

    def config(self, base: str, **options) -> Config:
        options = {'data_root': str(self.root), **options, **self.options}
        cfg = deepcopy(load(base, repr(options)))
        cfg.launcher, cfg.experiment_name = 'none', uuid.uuid4().hex
        cfg.work_dir = str(self.home / 'log')
        return cfg

    def memory(self) -> Config:
        """Config of a small PatchCore."""
        cfg = self.config(
            'anomaly/patchcore/patchcore_lite0_folder.py',
            **{
                'input_size': SIDE,
                'model.coreset_size': 5,
                'model.pool_size': 50,
                'fit_dataloader.num_workers': 0,
                'test_dataloader.num_workers': 0,
                'fit_dataloader.dataset.ann_file': 'fit.txt',
            },
        )
        cfg.model.teacher = Config(dict(t=self.teacher)).t
        return cfg


# producers: each returns the folder of its result, and the result's name


def fit(bench: Bench) -> tuple[Path, str]:
    cfg = bench.memory()
    runner = SimpleNamespace(
        model=MODELS.build(cfg.model.to_dict()),
        cfg=cfg,
        work_dir=str(bench.home / 'fit'),
        logger=logging.getLogger(),
    )
    AnomalyFitHook().before_test(runner)
    return bench.home / 'fit', 'fitted.safetensors'


def maps(bench: Bench) -> tuple[Path, str]:
    out = bench.home / 'maps'
    make_maps(bench.memory(), bench.root / 'dent', out)
    return out, 'manifest.jsonl'


def few_shot(bench: Bench) -> tuple[Path, str]:
    cfg = bench.config(
        'pretrain/cvgssl/cvgssl-regress_resnet18_lite0_1xb64-400e_folder.py'
    )
    cfg.model.teachers = [Config(dict(t=bench.teacher)).t]
    cfg.few_shot.schedule = {'epochs': 1}
    options = {'seed': 0, 'size': SIDE, **bench.call}
    out = bench.home / 'few'
    FewShot(cfg, 'teacher', **options).run([1], 1, out)
    return out, 'few_shot.json'


def category(bench: Bench) -> tuple[Path, str]:
    """Decide as tools/one_class.py does; the work itself is pretended."""
    cfg = bench.config(
        'anomaly/cutpaste/cutpaste-3way_resnet18_folder.py',
        **{'model.backbone.init_cfg.checkpoint': str(bench.weights)},
    )
    folder = bench.home / 'category'
    trained = one_class.training_provenance(cfg, folder / 'train')
    if not one_class.is_done(cfg, folder, trained):
        content = {'images': 6, 'metrics': {}, 'made': uuid.uuid4().hex}
        (folder / 'result.json').write_text(json.dumps(content))
    return folder, 'result.json'


def train(bench: Bench, resume: str | None = None) -> tuple[Path, str]:
    cfg = bench.config(
        'pretrain/cvgssl/cvgssl-regress_resnet18_lite0_1xb64-400e_folder.py',
        **{
            'train_dataloader.dataset.ann_file': 'train.txt',
            'train_dataloader.dataset.with_label': True,
        },
    )
    cfg.model.teachers = [Config(dict(t=bench.teacher)).t]
    data = {**cfg.train_dataloader.dataset, 'pipeline': []}
    folder = bench.home / 'train'
    runner = SimpleNamespace(
        cfg=cfg,
        work_dir=str(folder),
        train_dataloader=SimpleNamespace(dataset=DATASETS.build(data)),
    )
    training.claim_work_dir(runner, resume=resume)
    if not (folder / 'epoch_1.pth').is_file():
        (folder / 'epoch_1.pth').write_text(uuid.uuid4().hex)
    return folder, 'epoch_1.pth'


PRODUCERS: dict[str, Callable] = {
    f.__name__: f for f in (fit, maps, few_shot, category, train)
}


# dependencies: each changes one thing


def an_image(bench: Bench, monkeypatch) -> None:
    for folder in ('good', 'dent', 'fine'):
        picture(301, SIDE).save(bench.root / folder / '1.png')


def an_image_at_its_old_time(bench: Bench, monkeypatch) -> None:
    for folder in ('good', 'dent', 'fine'):
        file = bench.root / folder / '1.png'
        at, data = os.stat(file), bytearray(file.read_bytes())
        data[-1] ^= 1  # of the end's check sum
        file.write_bytes(data)
        os.utime(file, ns=(at.st_atime_ns, at.st_mtime_ns))


def a_list(bench: Bench, monkeypatch) -> None:
    bench.write_list(bench.list, [3, 4, 5])
    bench.write_list(bench.root / 'mmcvgssl/test.txt', [0, 1, 2])
    bench.write_fit_list([0, 1, 2, 4])


def weights(bench: Bench, monkeypatch) -> None:
    bench.save_weights(1)


def a_version(bench: Bench, monkeypatch) -> None:
    other = {**sources._versions(), 'torch': '0.0'}
    monkeypatch.setattr(sources, '_versions', lambda: other)


def processes(bench: Bench, monkeypatch) -> None:
    for module in (one_class, training):
        monkeypatch.setattr(module, 'get_world_size', lambda: 2)


LR = {'optim_wrapper.optimizer.lr': 0.5}
FLIP = [dict(type='RandomFlip', prob=0.5)]
# settings, by producer
OPTIONS: dict[str, dict[str, dict]] = {
    'fit': {
        'size': {'input_size': 24},
        'setting': {'model.coreset_size': 6},
        'seed': {'model.seed': 7},
        'depth range': {
            'fit_dataloader.dataset.pipeline.0.depth_range': [0, 9]
        },
    },
    'maps': {
        'size': {'input_size': 24},
        'setting': {'model.top': 0.5},
        'depth range': {
            'test_dataloader.dataset.pipeline.0.depth_range': [0, 9]
        },
    },
    'few_shot': {
        'size': {'call': {'size': 24}},
        'setting': {'call': {'mode': 'linear'}},
        'seed': {'call': {'seed': 1}},
    },
    'category': {
        'size': {'input_size': 24},
        'setting': {'detector.density': 'kde'},
        'training': LR,
        'seed': {'randomness.seed': 7},
    },
    'train': {
        'setting': LR,
        'seed': {'randomness.seed': 7},
        'transform': {'train_dataloader.dataset.pipeline': FLIP},
        'batch': {'train_dataloader.batch_size': 3},
    },
}
FILES = (an_image, an_image_at_its_old_time, weights, a_version)
CHANGES = {
    'fit': (*FILES, a_list),
    'maps': (weights, a_version, a_list),
    'few_shot': (*FILES, a_list),
    'category': (*FILES, a_list, processes),
    'train': (*FILES, a_list, processes),
}
PAIRS = [
    *((p, change) for p, changes in CHANGES.items() for change in changes),
    *((p, name) for p, options in OPTIONS.items() for name in options),
]


@pytest.fixture
def bench(tmp_path, monkeypatch) -> Bench:
    # drawing, laying configs out and collecting garbage after each data set
    # take longer than all else
    monkeypatch.setattr(gc, 'collect', lambda *args: 0)
    monkeypatch.setattr(FewShotResults, 'plot', lambda self, path: None)
    monkeypatch.setattr(Config, 'pretty_text', '')
    monkeypatch.setattr(plan, 'build_config', build_config)
    monkeypatch.chdir(tmp_path)
    return Bench()


def made(producer: str, bench: Bench) -> tuple[Path, str, bytes]:
    folder, name = PRODUCERS[producer](bench)
    return folder, name, (folder / name).read_bytes()


@pytest.mark.parametrize(
    ('producer', 'change'),
    PAIRS,
    ids=lambda value: getattr(value, '__name__', value),
)
def test_what_has_changed_is_not_reused(bench, monkeypatch, producer, change):
    folder, name, first = made(producer, bench)
    if isinstance(change, str):
        bench.options = dict(OPTIONS[producer][change])
        bench.call = bench.options.pop('call', {})
    else:
        change(bench, monkeypatch)
    made(producer, bench)
    (kept,) = (folder / 'earlier').glob(f'*/{name}')
    assert kept.read_bytes() == first


@pytest.mark.parametrize('producer', PRODUCERS)
def test_what_has_not_changed_is_kept(bench, producer, caplog):
    folder, name, first = made(producer, bench)
    at = (folder / name).stat().st_mtime_ns
    # copies of the same files, and more haste
    for file in bench.root.rglob('*.*'):
        os.utime(file, (1, 1))
    os.utime(bench.weights, (1, 1))
    part = 'train' if producer in ('few_shot', 'train') else 'fit'
    bench.options = {f'{part}_dataloader.num_workers': 0}
    assert made(producer, bench)[2] == first
    if producer != 'maps':  # whose manifest is joined again
        assert (folder / name).stat().st_mtime_ns == at
    assert not (folder / 'earlier').exists()


# maps have a test of their own, with the tool
@pytest.mark.parametrize('producer', sorted({*PRODUCERS} - {'maps'}))
def test_what_is_undone_finds_its_result(bench, monkeypatch, producer):
    folder, name, first = made(producer, bench)
    with monkeypatch.context() as patch:
        a_version(bench, patch)
        second = made(producer, bench)[2]
    assert made(producer, bench)[2] == first
    (kept,) = (folder / 'earlier').glob(f'*/{name}')
    assert kept.read_bytes() == second


@pytest.mark.parametrize('producer', sorted({*PRODUCERS} - {'fit'}))
def test_what_does_not_say_is_refused(bench, producer):
    folder, name, first = made(producer, bench)
    (folder / RECORD).unlink()
    with pytest.raises(ProvenanceError, match='written by an earlier version'):
        made(producer, bench)
    assert (folder / name).read_bytes() == first


def test_a_fitted_state_that_does_not_say_is_refused(bench):
    folder, name, _ = made('fit', bench)
    model = MODELS.build(bench.memory().model.to_dict())
    model.load_fitted(folder / name)
    model.provenance = None
    model.save_fitted(folder / name)
    with pytest.raises(ProvenanceError, match='does not say which images'):
        made('fit', bench)


def test_a_training_goes_on_as_itself_alone(bench):
    train(bench, 'auto')
    bench.options = {'train_cfg.max_epochs': 500}
    train(bench, 'auto')  # for longer
    bench.options = LR
    with pytest.raises(ProvenanceError, match=r'lr: .* there, 0\.5 here'):
        train(bench, 'auto')
    train(bench, str(bench.home / 'train/epoch_1.pth'))  # as it is named


STAGES = """
good = dict(tool='train', config='mmcvgssl::pretrain/cvgssl/'
    'cvgssl-regress_resnet18_lite0_1xb64-400e_folder.py',
    options={{'train_dataloader.batch_size': 2, 'data_root': '{{root}}',
        {lists}}})
words = dict(tool='make_maps', config='mmcvgssl::anomaly/kead/'
    'kead_vit-b16-plus-240_laion400m_folder.py',
    options={{'model.knowledge': {knowledge!r}, 'model.k': 1,
        'model.checkpoint': {weights!r}, 'data_root': {own!r}}})
stages = dict(good=good, words=words)
del good, words
"""


def keys(bench: Bench, count: int = 1, lists: bool = True) -> dict[str, str]:
    """Plan a pipeline; return what tells results of stages apart."""
    listed = {
        'train_dataloader.dataset.split_dir': '{lists}',
        'train_dataloader.dataset.ann_file': 'images.txt',
    }
    text = STAGES.format(
        lists=repr(listed)[1:-1] if lists else '',
        knowledge=str(bench.home / 'facts.json'),
        weights=str(bench.weights),
        own=str(bench.root / 'fine'),
    )
    path = bench.home / 'pipeline.py'
    path.write_text(text)
    inputs = read_inputs(bench.root / 'dent')
    found = Pipeline(Config.fromfile(path), inputs, bench.home / 'w', count)
    return {name: planned.key for name, planned in found.plan.items()}


def facts(bench: Bench, defect: str = 'a {} with a dent') -> None:
    known = {
        'name': 'tile',
        'good': ['clean {}'],
        'defects': [defect],
        'normal_images': ['data/good/0.png'],
    }
    (bench.home / 'facts.json').write_text(json.dumps({'tile': known}))


@pytest.mark.parametrize(
    ('change', 'touched'),
    [
        (lambda b: os.utime(b.root / 'dent/1.png', (1, 1)), ''),
        (lambda b: picture(9).save(b.root / 'dent/1.png'), 'good words'),
        (lambda b: picture(9).save(b.root / 'dent/new.png'), 'good words'),
        (lambda b: picture(9).save(b.root / 'good/0.png'), 'words'),
        (lambda b: picture(9).save(b.root / 'fine/1.png'), 'words'),
        (lambda b: facts(b, 'a {} with rust'), 'words'),
        (lambda b: b.save_weights(1), 'words'),
    ],
)
@pytest.mark.parametrize('lists', [True, False])
def test_stages_of_a_pipeline(bench, change, touched, lists):
    facts(bench)
    before = keys(bench, lists=lists)
    assert keys(bench, lists=lists) == before
    change(bench)
    after = keys(bench, lists=lists)
    assert [n for n in after if after[n] != before[n]] == touched.split()


def test_stages_of_several_processes_and_versions(bench, monkeypatch):
    facts(bench)
    one, two = keys(bench), keys(bench, 2)
    assert one['good'] != two['good']
    assert one['words'] == two['words']
    a_version(bench, monkeypatch)
    assert not {*keys(bench).values()} & {*one.values()}
