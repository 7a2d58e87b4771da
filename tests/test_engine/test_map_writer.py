"""Images whose map cannot be written, or which vanish."""

import json

import pytest
import torch
from mmpretrain.structures import DataSample

from mmcvgssl.engine.map_writer_hook import MapWriterHook
from mmcvgssl.maps.writer import MapWriter
from mmcvgssl.provenance import FileState
from tests.data import picture


def test_one_odd_image_costs_itself_alone(tmp_path):
    root, out = tmp_path / 'images', tmp_path / 'maps'
    root.mkdir()
    paths = [root / f'{name}.png' for name in 'abcd']
    for path in paths:
        picture(0).save(path)
    (out / 'b.npy').mkdir(parents=True)  # in the way of a map
    hook = MapWriterHook(str(out), str(root))
    hook._writer = MapWriter(out)
    samples = []
    for path in paths:
        hook._before[str(path)] = FileState.look(path)
        meta = dict(img_path=str(path), ori_shape=(8, 8), anomaly_score=1.0)
        sample = DataSample(metainfo=meta)
        sample.set_field(torch.ones(2, 2), 'anomaly_map')
        samples.append(sample)
    paths[2].unlink()
    hook.after_test_iter(None, 0, outputs=samples)
    hook._close()
    lines = (out / 'manifest.0.jsonl').read_text().splitlines()
    assert [json.loads(line)['path'] for line in lines] == ['a.png', 'd.png']
    assert list(hook.unwritable) == [str(paths[1])]
    assert hook.changed == [str(paths[2])]
    assert hook.written == 2


def test_a_full_disk_stops_the_run(tmp_path, monkeypatch):
    def fail(path, data):
        raise OSError(28, 'No space left on device')

    picture(0).save(tmp_path / 'a.png')
    path = str(tmp_path / 'a.png')
    hook = MapWriterHook(str(tmp_path / 'maps'), str(tmp_path))
    hook._before[path] = FileState.look(path)
    hook._writer = MapWriter(tmp_path / 'maps')
    monkeypatch.setattr('mmcvgssl.maps.writer.atomic_write', fail)
    meta = dict(img_path=path, ori_shape=(8, 8), anomaly_score=1.0)
    sample = DataSample(metainfo=meta)
    sample.set_field(torch.ones(2, 2), 'anomaly_map')
    with pytest.raises(OSError, match=r'0 maps were.*make room and run'):
        hook.after_test_iter(None, 0, outputs=[sample])
