"""The demonstration, on small images of its own."""

import json
import re
import runpy
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from tests.data import ROOT

CELLS = 40
ARGS = ['--runs', '1', '--shots', '2', '4']


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Install solar cells, of which every other one has a dark spot."""
    data = tmp_path / 'site' / 'elpv_dataset' / 'data'
    (data / 'images').mkdir(parents=True)
    (data.parent / '__init__.py').write_text('')
    random, lines = np.random.RandomState(0), []
    for i in range(CELLS):
        cell = random.randint(150, 190, (48, 48), np.uint8)
        if i % 2:
            cell[10:30, 15:30] = 20
        cv2.imwrite(str(data / 'images' / f'cell{i:04}.png'), cell)
        lines.append(f'images/cell{i:04}.png {i % 2:.1f} mono\n')
    (data / 'labels.csv').write_text(''.join(lines))
    monkeypatch.syspath_prepend(data.parent.parent)
    monkeypatch.delitem(sys.modules, 'elpv_dataset', raising=False)


def demo(monkeypatch, capsys, work) -> str:
    argv = ['demo.py', '--work-dir', str(work), *ARGS]
    monkeypatch.setattr(sys, 'argv', argv)
    runpy.run_path(str(ROOT / 'tools/demo.py'), run_name='__main__')
    return capsys.readouterr().out


@pytest.mark.usefixtures('package')
def test_it_ends_with_a_table_and_a_picture_and_goes_on(
    monkeypatch, capsys, tmp_path
):
    work = tmp_path / 'work'
    shown = demo(monkeypatch, capsys, work)
    rows = re.findall(r'^\| (.+?), labels (drawn|chosen) \| (.+)', shown, re.M)
    assert [row[:2] for row in rows] == [
        (features, labels)
        for features in ('random ResNet-18', 'ImageNet', 'ours')
        for labels in ('drawn', 'chosen')
    ]
    file = work / 'few_shot' / 'ours' / 'rounds' / 'few_shot.json'
    found = json.loads(file.read_text())['shots']
    for shots, cell in zip(('2', '4'), rows[-1][2].split('|'), strict=False):
        assert f'{found[shots]["mean"]:.1f} ± ' in cell
    # what it says of the cells is so: spots are odd
    assert 'most suspicious cells 8 are defective, of the 8 least 0' in shown
    with Image.open(work / 'demo.png') as picture:
        assert min(picture.size) > 1000
    assert (work / 'demo.md').read_text() in shown
    assert len(shown.splitlines()) < 60
    times = {p: p.stat().st_mtime_ns for p in work.rglob('few_shot.json')}
    assert demo(monkeypatch, capsys, work) == shown
    assert {p: p.stat().st_mtime_ns for p in times} == times
