"""Whatever loop, sampler, wrapper or worker: one rule of views."""

import hashlib
import itertools
import random
import uuid

import numpy as np
import pytest
import torch
from mmengine.dataset import (
    ClassBalancedDataset,
    ConcatDataset,
    InfiniteSampler,
    RepeatDataset,
)
from mmengine.model import BaseModel
from mmengine.registry import DATASETS as HOST_DATASETS
from mmengine.runner import Runner
from torch.utils.data import BatchSampler, Sampler, Subset

from mmcvgssl.datasets import SurfaceImages, inner_sets
from mmcvgssl.datasets.epoch_sampler import EpochBatch, current_draw
from mmcvgssl.datasets.wrapped import passes
from mmcvgssl.randomness import GeneratorStates
from tests.data import write_classes, write_images

PIPELINE = [
    {'type': 'mmcvgssl.LoadImage'},
    {'type': 'mmcvgssl.MultiCrop', 'view_size': 8, 'crop_scales': ()},
    {
        'type': 'mmpretrain.PackInputs',
        'meta_keys': ('sample_idx', 'img_path', 'view_set'),
    },
]
ITERATOR, STOP = 'dataloader_iterator', '_shutdown_workers'
BY_EPOCH = {'by_epoch': True, 'max_epochs': 3}
BY_ITER = {'by_epoch': False, 'max_iters': 9}


class Recorder(BaseModel):
    """Remembers each image's view."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.steps: list[list[tuple]] = []
        self.drawn: list[tuple] = []

    def forward(self, inputs, data_samples=None, mode='loss'):
        step = []
        for view, sample in zip(inputs[0], data_samples, strict=True):
            key = hashlib.sha1(view.cpu().numpy().tobytes()).hexdigest()
            step.append((sample.img_path, sample.view_set, key))
        self.steps.append(step)
        self.drawn.append((random.random(), float(torch.rand(()))))
        return {'loss': self.weight * 1.0}


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    """Spare the pause that a loop by iteration makes between passes."""
    monkeypatch.setattr('mmengine.runner.loops.time.sleep', lambda _: None)


@pytest.fixture(scope='module')
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp('images')
    write_images(folder, 6, 16)
    return folder


def config(images, work, loop=BY_EPOCH, **changes) -> dict:
    """Make a config of three batches of two an epoch."""
    workers = changes.pop('workers', 0)
    start = changes.pop('start', 'fork')
    data_set = changes.pop('data_set', None) or surface(images)
    loader = {
        'batch_size': 2,
        'num_workers': workers,
        'persistent_workers': changes.pop('persistent', False),
        'dataset': data_set,
        'sampler': changes.pop('sampler', None) or {'type': 'DefaultSampler'},
        'collate_fn': {'type': 'pseudo_collate'},
    }
    if workers:
        loader['multiprocessing_context'] = start
    by_epoch = loop['by_epoch']
    return {
        'model': Recorder(),
        'work_dir': str(work),
        'train_dataloader': loader,
        'train_cfg': dict(loop),
        'optim_wrapper': {'optimizer': {'type': 'SGD', 'lr': 0.0}},
        'custom_hooks': [{'type': 'mmcvgssl.EpochSeedHook'}],
        'default_hooks': {
            'logger': None,
            'checkpoint': {
                'type': 'CheckpointHook',
                'interval': 1 if by_epoch else 4,
                'by_epoch': by_epoch,
            },
        },
        'randomness': {'seed': changes.pop('seed', 0)},
        'experiment_name': uuid.uuid4().hex,
        'default_scope': 'mmpretrain',
        'log_level': 'ERROR',
        **changes,
    }


def surface(images, **kwargs) -> dict:
    return {
        'type': 'mmcvgssl.SurfaceImages',
        'data_root': str(images),
        'pipeline': PIPELINE,
        **kwargs,
    }


def steps(images, work, *args, **kwargs) -> list[list[tuple]]:
    return trained(images, work, *args, **kwargs).steps


def trained(images, work, *args, **kwargs) -> Recorder:
    runner = Runner(**config(images, work, *args, **kwargs))
    try:
        runner.train()
    finally:
        # collecting a runner's cycle waits seconds for its workers
        loop = runner.train_loop
        for batches in (loop.dataloader, getattr(loop, ITERATOR, None)):
            stop = getattr(getattr(batches, '_iterator', None), STOP, None)
            if stop is not None:
                stop()
    return runner.model


@HOST_DATASETS.register_module(force=True)
class FirstFour(Subset):
    """A wrapper that hands out batches itself (``__getitems__``)."""

    def __init__(self, dataset: dict) -> None:
        super().__init__(HOST_DATASETS.build(dataset), [3, 0, 2, 1])


WRAPPERS = {
    'plain': lambda one: one,
    'concat': lambda one: {
        'type': 'ConcatDataset',
        'datasets': [one, one],
    },
    'repeat': lambda one: {
        'type': 'RepeatDataset',
        'dataset': one,
        'times': 2,
    },
    'subset': lambda one: {'type': 'FirstFour', 'dataset': one},
}


@pytest.mark.parametrize(
    ('loop', 'sampler', 'wrapper'),
    [
        (BY_EPOCH, 'DefaultSampler', 'concat'),
        (BY_ITER, 'DefaultSampler', 'subset'),
        (BY_ITER, 'DefaultSampler', 'repeat'),
        (BY_ITER, 'InfiniteSampler', 'repeat'),
    ],
)
def test_views_are_new_in_each_epoch_and_the_same_for_any_workers(
    images, tmp_path, loop, sampler, wrapper
):
    kwargs = {
        'data_set': WRAPPERS[wrapper](surface(images)),
        'sampler': {'type': sampler},
    }
    alone = steps(images, tmp_path / '0', loop, **kwargs)
    shown = [view for step in alone for view in step]
    # neither an epoch nor a pass within one shows a view twice
    assert len({key for _, _, key in shown}) == len(shown)
    assert len({(path, number) for path, number, _ in shown}) == len(shown)
    two = steps(
        images, tmp_path / '2', loop, workers=2, persistent=True, **kwargs
    )
    assert two == alone


def test_views_do_not_depend_on_how_workers_start(images, tmp_path):
    loop = {**BY_EPOCH, 'max_epochs': 2}
    kwargs = {'data_set': WRAPPERS['repeat'](surface(images))}
    alone = steps(images, tmp_path / '0', loop, **kwargs)
    spawned = steps(
        images,
        tmp_path / '1',
        loop,
        workers=1,
        start='spawn',
        persistent=True,
        **kwargs,
    )
    assert spawned == alone


@pytest.mark.parametrize(
    ('loop', 'sampler', 'done', 'workers', 'wrapper'),
    [
        (BY_EPOCH, 'DefaultSampler', 2, 1, 'plain'),
        (BY_ITER, 'DefaultSampler', 4, 0, 'repeat'),
        (BY_ITER, 'InfiniteSampler', 4, 1, 'repeat'),
    ],
)
def test_a_resumed_run_goes_on_with_the_same_views(
    images, tmp_path, loop, sampler, done, workers, wrapper
):
    kwargs = {
        'data_set': WRAPPERS[wrapper](surface(images)),
        'sampler': {'type': sampler},
    }
    whole = steps(images, tmp_path / 'a', loop, **kwargs)
    name = 'max_epochs' if loop['by_epoch'] else 'max_iters'
    first = steps(images, tmp_path / 'b', {**loop, name: done}, **kwargs)
    rest = steps(
        images, tmp_path / 'b', loop, resume=True, workers=workers, **kwargs
    )
    assert first + rest == whole


@pytest.mark.parametrize(
    ('loop', 'sampler'),
    [(BY_EPOCH, 'DefaultSampler'), (BY_ITER, 'InfiniteSampler')],
)
def test_two_processes_share_the_views_of_one(
    images, tmp_path, loop, sampler, monkeypatch
):
    alone = steps(images, tmp_path / 'one', loop, sampler={'type': sampler})
    views = [v for step in alone for v in step]
    shared = []
    for rank in (0, 1):
        monkeypatch.setattr(
            'mmengine.dataset.sampler.get_dist_info', lambda r=rank: (r, 2)
        )
        shared += steps(
            images, tmp_path / f'{rank}', loop, sampler={'type': sampler}
        )
    # by iteration, two processes see twice as much
    found = [v for step in shared for v in step]
    if loop is BY_EPOCH:
        # 3 images for each process make steps of 2 and 1
        assert sorted(found) == sorted(views)
    assert set(views) <= set(found)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize('wrapper', ['concat'])
def test_the_seed_of_the_run_reaches_the_views(images, tmp_path, wrapper):
    def keys(name, run, **kwargs) -> set:
        data_set = WRAPPERS[wrapper](surface(images, **kwargs))
        made = steps(images, tmp_path / name, data_set=data_set, seed=run)
        return {key for step in made for *_, key in step}

    zero, one = keys('0', 0), keys('1', 1)
    assert not zero & one
    assert keys('again', 0) == zero
    # one of the data set's own beats it
    assert keys('own', 1, seed=0) == zero


def test_members_of_a_wrapper_draw_apart(images):
    one = SurfaceImages(data_root=str(images), pipeline=PIPELINE)
    two = SurfaceImages(data_root=str(images), pipeline=PIPELINE)
    two.views.member = 1
    assert not torch.equal(one[3]['inputs'][0], two[3]['inputs'][0])
    numbers = [s[3]['data_samples'].view_set for s in (one, two)]
    assert numbers[0] != numbers[1]


def test_repeating_by_a_wrapper_is_repeating_by_the_data_set(images, tmp_path):
    sampler = {'type': 'DefaultSampler', 'shuffle': False}
    data_sets = WRAPPERS['repeat'](surface(images)), surface(images, repeat=2)
    a, b = (
        steps(images, tmp_path / f'{i}', sampler=sampler, data_set=one)
        for i, one in enumerate(data_sets)
    )
    assert a == b


def test_what_the_model_draws_depends_on_no_loader(images, tmp_path):
    drawn = []
    for workers in (0, 1):
        work = tmp_path / f'{workers}'
        drawn.append(trained(images, work, workers=workers).drawn)
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) == 9


def test_looking_at_samples_leaves_the_generators_alone(images):
    data_set = SurfaceImages(data_root=str(images), pipeline=PIPELINE)
    before = GeneratorStates.read()
    first = data_set[2]['inputs'][0]
    assert before.unchanged()
    assert torch.equal(data_set[2]['inputs'][0], first)  # nobody minds
    np.random.rand()
    assert not before.unchanged()


# where the epoch is not known


class Restless(Sampler):
    """Goes on after its length."""

    def __init__(self, dataset, seed=None) -> None:
        self.count = len(dataset)

    def __iter__(self):
        while True:
            yield from range(self.count)

    def __len__(self) -> int:
        return self.count


class Strange(BatchSampler):
    """Makes indices of its own."""

    def __iter__(self):
        yield [0, 1]


@pytest.mark.parametrize(
    ('wrapper', 'workers'),
    [('plain', 0), ('concat', 0), ('repeat', 1), ('subset', 1)],
)
def test_a_second_pass_without_an_epoch_is_refused(images, wrapper, workers):
    # a data set that is handed over is copied
    loader = Runner.build_dataloader(
        {
            'dataset': HOST_DATASETS.build(WRAPPERS[wrapper](surface(images))),
            'batch_size': 2,
            'num_workers': workers,
            'sampler': {'type': 'DefaultSampler'},
        },
        seed=0,
    )
    with pytest.raises(RuntimeError, match=r'EpochSeedHook.*set_epoch'):
        list(itertools.chain(loader, loader))
    for data_set in inner_sets(loader.dataset):
        data_set.set_epoch(1)
    for _ in range(2):
        list(loader)


@pytest.mark.parametrize(
    'kwargs', [{'test_mode': True}, {'pipeline': [PIPELINE[0], PIPELINE[2]]}]
)
def test_a_second_pass_over_what_is_not_random_needs_no_epoch(images, kwargs):
    data_set = surface(images, **kwargs)
    loader = Runner.build_dataloader(
        {
            'dataset': data_set,
            'batch_size': 2,
            'num_workers': 0,
            'sampler': {'type': 'DefaultSampler'},
        }
    )
    assert len([*loader, *loader]) == 6


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'sampler': {'type': Restless}}, 'goes on after its 6 samples'),
        ({'batch_sampler': {'type': Strange}}, 'Strange makes batches'),
    ],
)
def test_a_loader_that_hides_epochs_is_refused(
    images, tmp_path, changes, message
):
    cfg = config(images, tmp_path)
    cfg['train_dataloader'].update(changes)
    if 'batch_sampler' in changes:
        cfg['train_dataloader']['batch_sampler']['drop_last'] = False
    with pytest.raises(RuntimeError, match=message):
        Runner(**cfg).train()


def test_data_may_not_start_anew_in_a_resumed_run(images, tmp_path):
    if not hasattr(InfiniteSampler, 'skip'):
        pytest.skip('this mmengine always looks for its place')
    steps(images, tmp_path, {**BY_ITER, 'max_iters': 4})
    loop = {**BY_ITER, 'fast_forward_on_resume': True}
    with pytest.raises(RuntimeError, match='fast_forward_on_resume'):
        steps(images, tmp_path, loop, resume=True)


def test_another_pass_has_to_be_told(images, tmp_path):
    runner = Runner(**config(images, tmp_path, BY_ITER))
    loop = runner.build_train_loop(runner._train_loop)
    runner._train_loop = loop
    runner.custom_hooks = runner.hooks
    runner.call_hook('before_train')
    list(loop.dataloader)
    with pytest.raises(RuntimeError, match='set_epoch'):
        list(loop.dataloader)
    loop.dataloader.sampler.set_epoch(1)
    list(loop.dataloader)


# what wrappers hold


def test_samples_are_counted_through_wrappers(tmp_path):
    write_classes(tmp_path, 2, 16)
    kwargs = {'pipeline': PIPELINE, 'with_label': True}
    one, two = (
        SurfaceImages(data_root=str(tmp_path / part), **kwargs)
        for part in ('train', 'test')
    )
    n = len(one)
    balanced = ClassBalancedDataset(one, 1.0)
    factor = len(balanced) // n
    assert factor == 2
    table = [
        (one, [one], None),
        (ConcatDataset([one, two]), [one, two], None),
        (RepeatDataset(one, 3), [one], [0] * n + [1] * n + [2] * n),
        (balanced, [one], [0, 1] * n),
        (Subset(one, [4, 4, 1, 4]), [one], [0, 1, 0, 2]),
        (Subset(Subset(one, [5, 2]), [1, 0]), [one], None),
        (
            Subset(RepeatDataset(one, 2), [0, n, 1]),
            [one],
            [0, 1, 0],
        ),
    ]
    for data_set, inner, counts in table:
        assert inner_sets(data_set) == inner
        found = passes(data_set)
        assert (found is None) == (counts is None), data_set
        if counts is not None:
            assert found.tolist() == counts


def test_a_batch_tells_only_while_it_is_read():
    import pickle

    from mmcvgssl.datasets.epoch_sampler import Draw

    batch = pickle.loads(
        pickle.dumps(EpochBatch([4, 2], [Draw(1, 0), Draw(1, 3)], 0))
    )
    before = GeneratorStates.read()
    seen = [(i, current_draw(), random.random()) for i in batch]
    assert [(i, d) for i, d, _ in seen] == [(4, (1, 0)), (2, (1, 3))]
    assert current_draw() is None
    assert before.unchanged()
    assert [(i, current_draw(), random.random()) for i in batch] == seen


def test_a_skipped_sampler_knows_its_place(images):
    from mmcvgssl.datasets.epoch_sampler import EpochSampler

    if not hasattr(InfiniteSampler, 'skip'):
        pytest.skip('this mmengine replays what is skipped')
    data = range(4)
    straight = EpochSampler(InfiniteSampler(data, seed=0), 4, False)
    skipped = EpochSampler(InfiniteSampler(data, seed=0), 4, False)
    skipped.skip(6)
    a, b = iter(straight), iter(skipped)
    rows = [(int(i), i.epoch) for i in (next(a) for _ in range(12))]
    assert [(int(i), i.epoch) for i in (next(b) for _ in range(6))] == rows[6:]
    assert [epoch for _, epoch in rows] == [0] * 4 + [1] * 4 + [2] * 4
