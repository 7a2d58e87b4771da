"""Draw the pictures of docs/methods.md, of images that are made here.

Each is what a verb of the command writes: what a pipeline feeds, heatmaps,
boxes, a choice of images. Writes docs/methods_*.jpg; takes a minute.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import cv2
import numpy as np
from serve_screenshots import DOCS, KINDS, write

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.cli import main as command

COUNTS = {'good': 40, 'scratch': 6, 'pit': 6, 'stain': 6}
HEIGHT, GAP = 150, 6  # pixels of a row of pictures, and between two
MUSC = 'maps musc_lite0_folder --images mixed --out maps'
# the verbs that make each picture, and the rows of what these write
PICTURES: dict[str, tuple[list[str], list[list[str]]]] = {
    'cvgssl': (
        [
            'browse cvgssl_resnet18_lite0_1xb64-30e_folder --out cvgssl '
            '--number 2 --cfg-options data_root=mixed'
        ],
        [['cvgssl/00057_*']],
    ),
    'simclr': (
        [
            'browse simclr_resnet18_1xb64-100e_folder --out simclr --number 3 '
            '--cfg-options data_root=mixed'
        ],
        [['simclr/0*']],
    ),
    'cutpaste': (
        [
            'browse cutpaste-3way_lite0_cpu_folder --out cutpaste --number 2 '
            '--cfg-options data_root=good'
        ],
        [['cutpaste/0*']],
    ),
    'patchcore': (
        [
            'fit patchcore_lite0_folder --images good --out good.safetensors '
            '--false-alarm-rate 0.2',
            'predict good.safetensors mixed --out found',
        ],
        [['mixed/*_00.*'], ['found/overlays/*_00.*']],
    ),
    'boxes': (
        [
            MUSC,
            'boxes maps mixed --out boxes.json --method component_tree '
            '--boxes-per-image 0.5 --preview preview',
        ],
        [['preview/pit_0[12].*', 'preview/scr*_0[25].*', 'preview/st*_02.*']],
    ),
    'agbp': (
        [
            MUSC,
            'browse agbp_resnet18_1xb32-30e_folder --out agbp --number 3 '
            '--cfg-options data_root=mixed maps=maps',
        ],
        [['agbp/0*']],
    ),
    'select': (
        [
            'select mixed --budget 8 --features package:efficientnet-lite0 '
            '--out chosen'
        ],
        [['chosen/contact_sheet.png']],
    ),
}


def write_images() -> None:
    """Write ``good``, and ``mixed`` with good and defective surfaces."""
    Path('good').mkdir()
    write(Path('good'), 'good', range(50, 50 + COUNTS['good']))
    Path('mixed').mkdir()
    for kind in KINDS:
        write(Path('mixed'), kind, range(COUNTS[kind]))


def joined(rows: list[list[str]]) -> np.ndarray:
    """Lay pictures out in rows of one height, BGR uint8."""
    strips = []
    for patterns in rows:
        strip = []
        for file in (f for p in patterns for f in sorted(Path().glob(p))):
            image = cv2.imread(str(file))
            width = round(image.shape[1] * HEIGHT / image.shape[0])
            strip += [cv2.resize(image, (width, HEIGHT)), _gap(HEIGHT, GAP)]
        strips.append(np.hstack(strip[:-1]))
    widest = max(strip.shape[1] for strip in strips)
    parts = []
    for strip in strips:
        rest = _gap(HEIGHT, widest - strip.shape[1])
        parts += [np.hstack([strip, rest]), _gap(GAP, widest)]
    return np.vstack(parts[:-1])


def _gap(height: int, width: int) -> np.ndarray:
    return np.full((height, width, 3), 255, np.uint8)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=DOCS, help='a folder')
    parser.add_argument(
        'names', nargs='*', help=f'of {", ".join(PICTURES)}; all by default'
    )
    args = parser.parse_args()
    for name in args.names:
        if name not in PICTURES:
            parser.error(f'expected {", ".join(PICTURES)}, got {name}')
    return args


def main() -> None:
    """Make the images, run the verbs, and lay out what they write."""
    args = parse_args()
    out, before = args.out.resolve(), Path.cwd()
    with tempfile.TemporaryDirectory() as home:
        os.chdir(home)
        try:
            write_images()
            for name in args.names or PICTURES:
                verbs, rows = PICTURES[name]
                for verb in verbs:
                    if code := command(verb.split()):
                        raise SystemExit(code)
                file = out / f'methods_{name}.jpg'
                quality = [cv2.IMWRITE_JPEG_QUALITY, 80]
                cv2.imwrite(str(file), joined(rows), quality)
        finally:
            os.chdir(before)


if __name__ == '__main__':
    main()
