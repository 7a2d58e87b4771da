"""Measure the reader of images beside the plain calls that it replaced.

The same generated files are read by both in turn, in one process: 8-bit JPEG
and PNG beside ``cv2.imread``, TIFF beside PIL. Times are those of the
processor, so that other work on the machine does not count. A round gives the
ratio of both; the median over the rounds counts. Prints a row of a Markdown
table for each kind and size.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.datasets.reading import read_image

HEAD = (
    '| file | px | plain | plain, ms | ours, ms | ours / plain |\n'
    '|---|---|---|---|---|---|'
)
SMALL = 256  # side of what a network takes
PIXELS = 4_000_000  # that a round reads of each kind and size


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        '--sizes', type=int, nargs='+', default=[200, 512, 2048]
    )
    parser.add_argument('--rounds', type=int, default=7)
    return parser.parse_args()


def generate(folder: Path, side: int, grey: bool, suffix: str) -> list[str]:
    """Write noisy images with a scratch each; more of them if small."""
    random = np.random.default_rng(0)
    paths = []
    for i in range(min(max(PIXELS // side**2, 2), 48)):
        shape = (side, side) if grey else (side, side, 3)
        image = random.normal(128, 20, shape).clip(0, 255)
        image = cv2.GaussianBlur(image, (5, 5), 1).astype(np.uint8)
        ends = random.integers(0, side, 4).tolist()
        cv2.line(image, tuple(ends[:2]), tuple(ends[2:]), (220,) * 3, 2)
        path = folder / f'{i:04}.{suffix}'
        Image.fromarray(image).save(path)
        paths.append(str(path))
    return paths


def by_opencv(path: str) -> np.ndarray:
    """Read BGR [H, W, 3]."""
    return cv2.imread(path, cv2.IMREAD_COLOR)


def by_pillow(path: str) -> np.ndarray:
    """Read BGR [H, W, 3]."""
    with Image.open(path) as image:
        rgb = np.asarray(image.convert('RGB'))
    return np.ascontiguousarray(rgb[..., ::-1])


def seconds(read: Callable[[str], np.ndarray], paths: list[str]) -> float:
    """Return the processor's time for a file."""
    begin = time.process_time()
    for path in paths:
        read(path)
    return (time.process_time() - begin) / len(paths)


def compare(
    plain: Callable[[str], np.ndarray],
    ours: Callable[[str], np.ndarray],
    paths: list[str],
    rounds: int,
) -> str:
    """Return median times of both, and the median ratio, as cells of a row.

    Raises:
        SystemExit: If they read something else.
    """
    for path in paths[:2]:  # warm up, and look
        difference = cv2.absdiff(plain(path), read_image(path))
        if difference.max() > 4:  # decoders of JPEG round in their own ways
            raise SystemExit(f'{path} is read as something else')
    times = []
    for i in range(rounds):
        works = [plain, ours]
        order = (0, 1) if i % 2 else (1, 0)
        found = {k: seconds(works[k], paths) for k in order}
        times.append((found[0], found[1], found[1] / found[0]))
    base, own, ratio = np.median(times, axis=0)
    called = 'cv2' if plain is by_opencv else 'PIL'
    return f'{called} | {base * 1e3:.2f} | {own * 1e3:.2f} | {ratio:.2f}'


def main() -> None:
    """Measure each kind at each size."""
    args = parse_args()
    cv2.setNumThreads(0)  # as in loaders' workers
    print(HEAD)
    kinds = [
        *(('jpg', 'JPEG', by_opencv), ('png', 'PNG', by_opencv)),
        ('tif', 'TIFF', by_pillow),
    ]
    for suffix, name, plain in kinds:
        for grey in (True, False):
            named = f'{name}, {"grey" if grey else "colour"}'
            for side in args.sizes:
                ways = {named: read_image}
                if suffix == 'jpg' and not grey and side >= 2 * SMALL:
                    smaller = partial(read_image, input_size=SMALL)
                    ways[f'{named}, for {SMALL} px'] = smaller
                with tempfile.TemporaryDirectory() as folder:
                    paths = generate(Path(folder), side, grey, suffix)
                    for way, ours in ways.items():
                        cells = compare(plain, ours, paths, args.rounds)
                        print(f'| {way} | {side} | {cells} |', flush=True)


if __name__ == '__main__':
    main()
