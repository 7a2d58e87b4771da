"""Measure anomaly models on large images, with and without tiles.

Makes large images with small defects, fits a model of a config for each size
of tiles, predicts, cuts boxes from the maps and prints a table. Images are
strips of 8,000 x 2,000 pixels with spots of 5 pixels, or small images side by
side on canvases (--good, --defective and --masks name their folders). Fit and
prediction are processes of their own, whose time and memory count.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from sklearn.metrics import roc_auc_score

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.boxes_from_maps import boxes_from_maps
from mmcvgssl.datasets.reading import read_image
from mmcvgssl.maps import MapFolder, resize_map
from mmcvgssl.model_file import load_model
from mmcvgssl.utils import parse_json

TOOLS = Path(__file__).parents[1]
CONFIG = TOOLS.parent / 'configs/anomaly/patchcore/patchcore_lite0_folder.py'
SPOT = 5
CLOSE = 16  # pixels
GOOD, DEFECTIVE = 'good', 'defective'
Box = tuple[float, float, float, float]


class Found(NamedTuple):
    """What a run has found, and what it took."""

    auroc: float
    peak: float
    hit: float
    false_boxes: float
    fit: tuple[float, float]
    predict: tuple[float, float]


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--config', type=Path, default=CONFIG)
    parser.add_argument(
        '--tiles', nargs='+', default=['none', '512', '256'], help='to compare'
    )
    parser.add_argument('--size', type=int, nargs=2, default=[2000, 8000])
    parser.add_argument('--fit', type=int, default=6, help='images to fit to')
    parser.add_argument('--count', type=int, default=8, help='of each kind')
    parser.add_argument('--good', type=Path, help='folder of small images')
    parser.add_argument('--defective', type=Path, help='folder of defects')
    parser.add_argument(
        '--masks', type=Path, help='their masks, NAME.png or NAME_mask.png'
    )
    parser.add_argument('--side', type=int, default=256, help='of small ones')
    parser.add_argument(
        '--options', nargs='+', default=[], help='--cfg-options of fit.py'
    )
    return parser.parse_args()


def strip(
    random: np.random.RandomState, size: tuple[int, int], defects: int
) -> tuple[np.ndarray, list[Box]]:
    """Draw rolled metal, with spots of 5 pixels on it."""
    height, width = size
    coarse = random.normal(0, 6, (max(height // 40, 1), max(width // 200, 1)))
    image = 128 + cv2.resize(coarse, (width, height))
    image += cv2.blur(random.normal(0, 14, size), (9, 1))
    boxes = []
    for _ in range(defects):
        y = int(random.randint(20, height - 20))
        x = int(random.randint(20, width - 20))
        image[y : y + SPOT, x : x + SPOT] -= 60
        boxes.append((x, y, SPOT, SPOT))
    return image.clip(0, 255).astype(np.uint8), boxes


def canvas(
    random: np.random.RandomState,
    size: tuple[int, int],
    args: argparse.Namespace,
    defective: bool,
    good: list[Path],
    bad: list[Path],
) -> tuple[np.ndarray, list[Box]]:
    """Lay small images side by side, one of them defective."""
    side = args.side
    rows, columns = size[0] // side, size[1] // side
    chosen = random.choice(len(good), rows * columns)
    at = int(random.randint(rows * columns)) if defective else -1
    image, boxes = np.zeros((rows * side, columns * side), np.uint8), []
    for i, number in enumerate(chosen):
        y, x = i // columns * side, i % columns * side
        file = bad[random.randint(len(bad))] if i == at else good[number]
        small = read_image(str(file))[..., 0]
        image[y : y + side, x : x + side] = cv2.resize(
            small, (side, side), interpolation=cv2.INTER_AREA
        )
        if i == at:
            names = [f'{file.stem}.png', f'{file.stem}_mask.png']
            paths = [args.masks / name for name in names]
            file = next(path for path in paths if path.exists())
            mask = read_image(str(file))[..., 0] > 0
            ys, xs = np.nonzero(mask)
            sy, sx = side / mask.shape[0], side / mask.shape[1]
            boxes.append(
                (
                    *(x + xs.min() * sx, y + ys.min() * sy),
                    *(np.ptp(xs) * sx + 1, np.ptp(ys) * sy + 1),
                )
            )
    return image, boxes


def generate(folder: Path, args: argparse.Namespace) -> dict[str, list[Box]]:
    """Write images to fit to and to predict; return boxes of the latter."""
    random, truth = np.random.RandomState(0), {}
    size = args.size[0], args.size[1]
    good: list[Path] = []
    bad: list[Path] = []
    if args.good:
        kinds = '.png', '.jpg'
        good = [p for p in sorted(args.good.iterdir()) if p.suffix in kinds]
        # masks of some data sets lie beside the images
        twice = args.defective == args.masks
        own = ('.jpg',) if twice else kinds
        bad = [p for p in sorted(args.defective.iterdir()) if p.suffix in own]
        good = [p for p in good if p.suffix == good[0].suffix]
        apart = len(good) // 2
    for kind, count in (('fit', args.fit), (GOOD, args.count), (DEFECTIVE, 0)):
        home = folder / ('fit' if kind == 'fit' else 'new') / kind
        home.mkdir(parents=True)
        for i in range(count or args.count):
            name = home / f'{i}.jpg'
            faulty = kind == DEFECTIVE
            if args.good:
                part = good[:apart] if kind == 'fit' else good[apart:]
                made = canvas(random, size, args, faulty, part, bad)
            else:
                made = strip(random, size, 3 * faulty)
            image, boxes = made
            cv2.imwrite(str(name), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
            if kind != 'fit':
                truth[f'{kind}/{i}.jpg'] = boxes
    return truth


def measured(command: list[str]) -> tuple[float, float]:
    """Run a tool; return its seconds, and its peak memory in MiB."""
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *command], stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f'{" ".join(command)} failed')
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def run(
    folder: Path,
    tile: str,
    truth: dict[str, list[Box]],
    config: Path,
    options: list[str],
) -> Found:
    """Fit, predict and cut boxes, with tiles of a size."""
    own = folder / f'tile_{tile}'
    model, out = own / 'model.safetensors', own / 'out'
    if tile != 'none':
        options = [*options, f'tile={tile}']
    command = [str(TOOLS / 'fit.py'), str(config), '--out', str(model)]
    command += ['--images', str(folder / 'fit'), '--work-dir', str(own)]
    command += ['--false-alarm-rate', 'none']
    if options:
        command += ['--cfg-options', *options]
    fit = measured(command)
    command = [str(TOOLS / 'predict.py'), str(model), str(folder / 'new')]
    command += ['--out', str(out), '--map', '--no-overlay', '--workers', '0']
    predict = measured(command)
    with (out / 'predictions.csv').open() as file:
        scores = {
            Path(r['path']).parent.name + '/' + Path(r['path']).name: float(
                r['score']
            )
            for r in csv.DictReader(file)
        }
    labels = [bool(truth[name]) for name in scores]
    # with no threshold of the model: above all values of good images
    maps = MapFolder(out / 'maps')
    level = max(e.map_max for e in maps if not truth[e.path])
    known = load_model(model).model.map_threshold
    boxes_from_maps(
        out / 'maps',
        folder / 'new',
        own / 'boxes.json',
        map_threshold=level if known is None else known,
        min_area=0,
        top_k=20,
    )
    coco = parse_json((own / 'boxes.json').read_text())
    names = {image['id']: image['file_name'] for image in coco['images']}
    boxes: dict[str, list[Box]] = {name: [] for name in truth}
    for one in coco['annotations']:
        boxes[names[one['image_id']]].append(one['bbox'])
    hits, false, peaks = [], [], []
    for name, wanted in truth.items():
        hits += [any(inside(b, w) for b in boxes[name]) for w in wanted]
        if wanted:
            values = resize_map(maps.load_map(name), maps[name].size)
            y, x = np.unravel_index(values.argmax(), values.shape)
            peaks.append(any(near(float(x), float(y), w) for w in wanted))
        false.append(
            sum(not any(inside(b, w) for w in wanted) for b in boxes[name])
        )
    return Found(
        float(roc_auc_score(labels, list(scores.values()))),
        float(np.mean(peaks)),
        float(np.mean(hits)),
        float(np.mean(false)),
        fit,
        predict,
    )


def near(x: float, y: float, wanted: Box) -> bool:
    """Whether a pixel lies in a defect, or close to it."""
    across = -CLOSE <= x - wanted[0] <= wanted[2] + CLOSE
    return across and -CLOSE <= y - wanted[1] <= wanted[3] + CLOSE


def inside(box: Box, wanted: Box) -> bool:
    """Whether the middle of a defect lies in a box."""
    x, y = wanted[0] + wanted[2] / 2, wanted[1] + wanted[3] / 2
    across = box[0] <= x <= box[0] + box[2]
    return across and box[1] <= y <= box[1] + box[3]


def main() -> None:
    """Print a row for each size of tiles."""
    args = parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = generate(folder, args)
        count = len(truth)
        print(
            '| tile | image AUROC | peak on a defect | defects in a box '
            '| false boxes an image | fit, s | MiB '
            '| prediction, s an image | MiB |'
        )
        print('|---' * 9 + '|')
        for tile in args.tiles:
            made = run(folder, tile, truth, args.config, args.options)
            print(
                f'| {tile} | {made.auroc:.3f} | {made.peak:.0%} '
                f'| {made.hit:.0%} '
                f'| {made.false_boxes:.1f} | {made.fit[0]:.0f} '
                f'| {made.fit[1]:.0f} | {made.predict[0] / count:.1f} '
                f'| {made.predict[1]:.0f} |',
                flush=True,
            )


if __name__ == '__main__':
    main()
