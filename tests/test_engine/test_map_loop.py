"""Maps are written by a loop, which is no test."""

import json
import logging
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook, IterTimerHook, LoggerHook
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmpretrain.structures import DataSample
from torch import nn

from mmcvgssl.datasets import ImageList
from mmcvgssl.engine import MapLoop
from mmcvgssl.engine.map_loop import write_maps
from mmcvgssl.maps.writer import MapWriter
from mmcvgssl.models.anomaly import MahalanobisAD
from mmcvgssl.provenance import RECORD, FileState, Provenance
from mmcvgssl.registry import LOOPS
from tests.data import picture
from tests.test_engine.test_fit_loop import PIPELINE, loader, write_images
from tests.test_models.test_anomaly import LocalTeacher


class Stages(Hook):
    """Writes down what acts."""

    def __init__(self) -> None:
        self.called: list[str] = []

    def __getattribute__(self, name):
        if name.startswith(('before_', 'after_')):
            self.called.append(name)
        return super().__getattribute__(name)


@LOOPS.register_module()
class HalfMaps(MapLoop):
    def run_iter(self, idx, data_batch):
        samples = super().run_iter(idx, data_batch)
        for sample in samples:
            sample.set_field(
                sample.anomaly_map / 2, 'anomaly_map', dtype=torch.Tensor
            )
        return samples


@pytest.fixture
def runner(tmp_path):
    """Make what a Runner shows to loops, over four images to fit to."""
    init_default_scope('mmpretrain')
    write_images(tmp_path / 'good', 'abcd')

    def make(model=None, hooks=(), **map_cfg):
        torch.manual_seed(0)
        given = dict(root=str(tmp_path / 'parts'), out=str(tmp_path / 'maps'))
        given |= dict(pipeline=PIPELINE, num_workers=0, batch_size=2)
        cfg = Config(
            dict(
                model=dict(type='mmcvgssl.MahalanobisAD'),
                fit_dataloader=loader(tmp_path / 'good'),
                map_cfg=given | map_cfg,
            )
        )
        found = SimpleNamespace(
            model=MahalanobisAD(LocalTeacher()) if model is None else model,
            cfg=cfg,
            work_dir=str(tmp_path / 'work'),
            logger=logging.getLogger('mmcvgssl'),
            hooks=list(hooks),
            seed=0,
            loaded=0,
            build_dataloader=Runner.build_dataloader,
        )

        def load():
            found.loaded += 1

        found.load_or_resume = load
        return found

    return make


def values(tmp_path, name) -> np.ndarray:
    return np.load(tmp_path / 'maps' / name, allow_pickle=False)


def test_maps_are_written_once_and_hooks_act_as_in_a_test(runner, tmp_path):
    write_images(tmp_path / 'parts', 'abc')
    paths = ['a.png', 'b.png', 'c.png']
    hook = Stages()
    first = runner(hooks=[hook, LoggerHook(), IterTimerHook()])
    counts = write_maps(first, paths)
    assert counts == dict(images=3, there=0, written=3, unreadable=0)
    batch = ['before_test_iter', 'after_test_iter']
    assert hook.called == [
        *('before_run', 'before_test', 'before_test_epoch', *batch, *batch),
        *('after_test_epoch', 'after_test', 'after_run'),
    ]
    assert first.loaded == 1
    lines = (tmp_path / 'maps/manifest.jsonl').read_text().splitlines()
    assert [json.loads(line)['path'] for line in lines] == paths
    # nothing is to be done: nothing acts, is loaded or fitted
    hook.called.clear()
    again = runner(hooks=[hook])
    assert write_maps(again, paths) == counts | dict(there=3, written=0)
    assert (hook.called, again.loaded) == ([], 0)
    assert not again.model.fitted


def test_another_loop_makes_other_maps(runner, tmp_path):
    write_images(tmp_path / 'parts', 'ab')
    paths = ['a.png', 'b.png']
    write_maps(runner(), paths)
    before = values(tmp_path, 'a.npy').astype(float)
    counts = write_maps(runner(type='mmcvgssl.HalfMaps'), paths)
    assert counts['written'] == 2
    assert values(tmp_path, 'a.npy') == pytest.approx(before / 2, rel=2e-3)
    known = Provenance.read(tmp_path / 'maps' / RECORD)
    assert known.values['loop'] == 'HalfMaps'


def test_half_precision_is_told(runner, tmp_path):
    write_images(tmp_path / 'parts', 'a')
    write_maps(runner(), ['a.png'])
    assert write_maps(runner(fp16=True), ['a.png'])['written'] == 1
    assert Provenance.read(tmp_path / 'maps' / RECORD).values['fp16'] is True


@pytest.mark.parametrize(
    ('model', 'options', 'error', 'message'),
    [
        (nn.Linear(1, 1), {}, TypeError, 'map generators .* got Linear'),
        (None, dict(dtype='int8'), ValueError, "dtype must be .* got 'int8'"),
        (None, dict(batch_size=0), ValueError, r'map_cfg\.batch_size=0: '),
        (None, dict(num_workers=-1), ValueError, 'num_workers=-1: expected'),
        (None, dict(num_workers='2'), ValueError, "num_workers='2': expected"),
        (None, dict(fp16='yes'), ValueError, "fp16='yes': expected True"),
        (None, dict(max_unreadable=3), ValueError, r'in \[0, 1\], got 3'),
    ],
)
def test_what_makes_no_maps_is_refused(runner, model, options, error, message):
    with pytest.raises(error, match=message):
        write_maps(runner(model, **options), ['a.png'])


def test_images_are_named_by_a_list_or_by_paths(tmp_path):
    write_images(tmp_path, 'ab')
    options = dict(data_root=str(tmp_path), pipeline=[])
    assert len(ImageList(paths=['b.png'], **options)) == 1
    with pytest.raises(FileNotFoundError, match=r'1 image \(z\.png\) of 1'):
        ImageList(paths=['z.png'], **options)
    with pytest.raises(ValueError, match='list_file or paths, got both'):
        ImageList(list_file='list.txt', paths=['b.png'], **options)


def sample_of(path) -> DataSample:
    meta = dict(img_path=str(path), ori_shape=(8, 8), anomaly_score=1.0)
    sample = DataSample(metainfo=meta)
    sample.set_field(torch.ones(2, 2), 'anomaly_map')
    return sample


def test_one_odd_image_costs_itself_alone(runner, tmp_path):
    root, out = tmp_path / 'parts', tmp_path / 'maps'
    root.mkdir()
    paths = [root / f'{name}.png' for name in 'abcd']
    for path in paths:
        picture(0).save(path)
    (out / 'b.npy').mkdir(parents=True)  # in the way of a map
    made = runner()
    loop = LOOPS.build(
        dict(type='mmcvgssl.MapLoop', **made.cfg.map_cfg),
        default_args=dict(runner=made, paths=[path.name for path in paths]),
    )
    before = {str(path): FileState.look(path) for path in paths}
    samples = [sample_of(path) for path in paths]
    paths[2].unlink()
    with MapWriter(out) as writer:
        loop.write(samples, writer, before)
    lines = (out / 'manifest.0.jsonl').read_text().splitlines()
    assert [json.loads(line)['path'] for line in lines] == ['a.png', 'd.png']
    assert list(loop.unwritable) == [str(paths[1])]
    assert loop.changed == [str(paths[2])]
    assert loop.written == 2


def test_a_full_disk_stops_the_run(runner, tmp_path, monkeypatch):
    def fail(path, data):
        if str(path).endswith('.npy'):
            raise OSError(28, 'No space left on device')

    write_images(tmp_path / 'parts', 'a')
    monkeypatch.setattr('mmcvgssl.maps.writer.atomic_write', fail)
    with pytest.raises(OSError, match=r'0 maps were.*make room and run'):
        write_maps(runner(), ['a.png'])
