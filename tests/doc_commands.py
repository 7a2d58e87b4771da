"""The commands that the documentation shows, and tiny data for them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

from mmcvgssl.datasets.preparation import neu_cls, x_sdd
from tests.boxes import voc
from tests.data import ROOT, picture
from tests.one_class_data import (
    save,
    save_mask,
    write_magnetic_tile,
    write_mvtec,
)

PAGES = [
    path.relative_to(ROOT).as_posix()
    for path in sorted(
        [
            *ROOT.glob('*.md'),
            *ROOT.glob('configs/**/*.md'),
            *ROOT.glob('docs/**/*.md'),
        ]
    )
]
# bash says what it would run instead of running it
SAY = """
set -eu
exec 3>&1 >/dev/null
say() { printf '%s\\0' $# "$@" >&3; }
python() { say python "$@"; }
mmcvgssl() { say mmcvgssl "$@"; }
pip() { say pip "$@"; }
make() { say make "$@"; }
"""
SIDE = 48


def blocks(page: str, language: str) -> list[str]:
    """Return the blocks of a page in a language."""
    text = (ROOT / page).read_text('utf-8')
    return re.findall(rf'```{language}\n(.*?)```', text, re.S)


def commands(page: str, folder: Path) -> list[list[str]]:
    """Let bash read all blocks of a page, in turn.

    Args:
        page: Path of the page below the root.
        folder: Where the blocks begin; holds ``configs``.

    Returns:
        The words of each command, after loops and variables.
    """
    said = subprocess.run(
        ['bash', '-c', SAY + '\n'.join(blocks(page, 'bash'))],
        capture_output=True,
        text=True,
        cwd=folder,
    )
    assert said.returncode == 0, f'{page}: {said.stderr}'
    words = said.stdout.split('\0')[:-1]
    found = []
    while words:
        end = 1 + int(words[0])
        found.append(words[1:end])
        words = words[end:]
    return found


def write_workspace(root: Path) -> None:
    """Write all that the commands start from, under the names they use."""
    for name in ('configs', 'tools'):
        (root / name).symlink_to(ROOT / name)
    for name in x_sdd.CLASSES:
        _pictures(root / 'data/x_sdd' / name, 10, name)
    for data in ('neu_det', 'neu_cls'):
        _write_neu(root / 'data' / data)
    write_magnetic_tile(root / 'data/magnetic_tile')
    shutil.rmtree(root / 'data/magnetic_tile/mmcvgssl')  # is made by a tool
    for i in range(10, 40):
        save(root / f'data/magnetic_tile/MT_Free/Imgs/{i}.jpg', i)
    for name in ('Blowhole', 'Break', 'Fray', 'Uneven'):
        for i in range(4):
            file = root / f'data/magnetic_tile/MT_{name}/Imgs/{i}.jpg'
            save(file, 70 + i, spot=True)
            save_mask(file.with_suffix('.png'))
    for data, names in (
        ('mvtec', ('bottle', 'screw')),
        ('mvtec_bottle_lite', ('bottle',)),
        ('mvtec_screw', ('screw',)),
    ):
        write_mvtec(root / 'data' / data, ('dent', 'hole'), names, 10)
    for i in range(24):
        save(root / f'GOOD_DIR/{i}.png', i)
        save(root / f'parts/good/{i}.png', i)
        save(root / f'DIR/good/{i}.png', i)
    for i in range(6):
        save(root / f'parts/more_good/{i}.png', 100 + i)
    for i in range(10):
        for tree in ('TEST_DIR', 'parts/tested', 'DIR'):
            save(root / tree / f'good/t{i}.png', 50 + i)
            save(root / tree / f'dent/{i}.png', 60 + i, spot=True)
        save(root / f'parts/new/{i}.png', 70 + i, spot=i % 2 == 0)
    _write_tour(root)
    _write_labels(root)
    (root / 'data/images').symlink_to(root / 'DIR')  # of 'folder' recipes


def _pictures(folder: Path, count: int, name: str) -> None:
    folder.mkdir(parents=True)
    for i in range(count):
        picture(3 * i + len(name) % 3, SIDE).save(folder / f'{i}.png')


def _write_neu(root: Path) -> None:
    """Write images with a box each."""
    for name in ('images', 'annotations'):
        (root / name).mkdir(parents=True)
    for c, name in enumerate(neu_cls.CLASSES):
        for k in range(1, 13):
            image = picture(3 * k + c % 3, SIDE)
            image.paste((250, 250, 250), (4 + k, 8, 28 + k, 30))
            image.save(root / f'images/{name}_{k}.jpg')
            text = voc([(name, (5 + k, 9, 28 + k, 30))], (SIDE, SIDE))
            (root / f'annotations/{name}_{k}.xml').write_text(text)
    for name, ks in (
        ('train', range(1, 9)),
        ('test', range(9, 13)),
        ('train_10pct', range(1, 3)),
    ):
        lines = [
            f'images/{label}_{k}.jpg\t{c}\n'
            for c, label in enumerate(neu_cls.CLASSES)
            for k in ks
        ]
        (root / f'{name}.txt').write_text(''.join(lines))


def _write_tour(root: Path) -> None:
    """Write solar cells, and those that a reader has picked."""
    lines = []
    for i in range(18):
        save(root / f'cells/images/cell{i:04d}.png', 200 + i, spot=i % 2 == 0)
        lines.append(f'images/cell{i:04d}.png {(i + 1) % 2}.0 mono\n')
    for i in range(12):
        save(root / f'tour/good/{i}.png', 220 + i)
    (root / 'cells/labels.csv').write_text(''.join(lines))
    for i in range(4):
        save(root / f'tour/new/good/{i}.png', 240 + i)
        save(root / f'tour/new/defective/{i}.png', 250 + i, spot=True)


def _write_labels(root: Path) -> None:
    """Write COCO.json of DIR, with a box in each image of a dent."""
    names = sorted(
        path.relative_to(root / 'DIR').as_posix()
        for path in (root / 'DIR').rglob('*.png')
    )
    boxes = {
        'images': [
            {'id': i, 'file_name': name, 'width': 40, 'height': 40}
            for i, name in enumerate(names)
        ],
        'annotations': [
            {
                'id': i,
                'image_id': i,
                'category_id': 1,
                'bbox': [10, 8, 20, 16],
                'area': 320,
                'iscrowd': 0,
            }
            for i, name in enumerate(names)
            if name.startswith('dent')
        ],
        'categories': [{'id': 1, 'name': 'dent'}],
    }
    (root / 'COCO.json').write_text(json.dumps(boxes))
