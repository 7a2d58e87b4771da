"""Measure anomaly models on large images, with and without tiles.

Makes large images with small defects, fits a model of a config for each size
of tiles, predicts, cuts boxes from the maps and prints a table. Images are
strips of 8,000 x 2,000 pixels with spots of 5 pixels, or small images side by
side, or one by one, on canvases (--good, --defective and --masks name their
folders). Fit and prediction are processes of their own, whose processor time
and memory count. Maps are resized to the images, and pixel AUROC is that of
all pixels.
"""

import argparse
import csv
import tempfile
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from peak import measured

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.boxes_from_maps import boxes_from_maps
from mmcvgssl.datasets.reading import read_image
from mmcvgssl.evaluation import AnomalyMetric
from mmcvgssl.maps import MapFolder, resize_map
from mmcvgssl.model_file import load_model
from mmcvgssl.utils import parse_json

TOOLS = Path(__file__).parents[1]
CONFIG = TOOLS.parent / 'configs/anomaly/patchcore/patchcore_lite0_folder.py'
SPOT = 5
CLOSE = 16  # pixels
GOOD, DEFECTIVE = 'good', 'defective'
Box = tuple[float, float, float, float]
Boxes = dict[str, list[Box]]
# an image with a defect, and its mask
Defective = tuple[Path, Path]


class Found(NamedTuple):
    """What a run has found, and what it took."""

    auroc: float
    pixel_auroc: float
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
    parser.add_argument(
        '--fit-size', type=int, nargs=2, help='of these, by default --size'
    )
    parser.add_argument('--count', type=int, default=8, help='of each kind')
    parser.add_argument('--good', type=Path, help='folder of small images')
    parser.add_argument(
        '--defective', type=Path, nargs='+', default=[], help='of defects'
    )
    parser.add_argument(
        '--masks',
        type=Path,
        nargs='+',
        default=[],
        help='a folder of masks for each of these, NAME.png or NAME_mask.png',
    )
    parser.add_argument('--side', type=int, default=256, help='of small ones')
    parser.add_argument(
        '--single',
        action='store_true',
        help='one small image at a random place, on grey, on each canvas',
    )
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
    args: argparse.Namespace,
    size: tuple[int, int],
    good: list[Path],
    bad: list[Defective],
) -> tuple[np.ndarray, np.ndarray]:
    """Lay small images side by side, or a single one somewhere.

    Returns:
        The canvas, with one defective image if any is given, and its mask.
    """
    side = args.side
    rows, columns = size[0] // side, size[1] // side
    count = 1 if args.single else rows * columns
    chosen = random.choice(len(good), count)
    at = int(random.randint(count)) if bad else -1
    image = np.zeros((rows * side, columns * side), np.uint8)
    mask = np.zeros_like(image)
    for i, number in enumerate(chosen):
        y, x = i // columns * side, i % columns * side
        if args.single:
            y = int(random.randint(image.shape[0] - side + 1))
            x = int(random.randint(image.shape[1] - side + 1))
        here = slice(y, y + side), slice(x, x + side)
        file = good[number]
        if i == at:
            file, marked = bad[random.randint(len(bad))]
            mask[here] = cv2.resize(
                read_image(str(marked))[..., 0],
                (side, side),
                interpolation=cv2.INTER_NEAREST,
            )
        small = read_image(str(file))[..., 0]
        if args.single:
            image[:] = np.median(small)
        image[here] = cv2.resize(
            small, (side, side), interpolation=cv2.INTER_AREA
        )
    return image, mask


def with_masks(defective: list[Path], masks: list[Path]) -> list[Defective]:
    """Pair the images of folders with their masks."""
    pairs = []
    for folder, marked in zip(defective, masks, strict=True):
        # masks of some data sets lie beside the images
        kinds = ('.jpg',) if folder == marked else ('.png', '.jpg')
        for file in sorted(folder.iterdir()):
            if file.suffix in kinds:
                names = f'{file.stem}.png', f'{file.stem}_mask.png'
                paths = [marked / name for name in names]
                pairs.append((file, next(p for p in paths if p.exists())))
    return pairs


def extent(mask: np.ndarray) -> Box:
    """Return the box around what a mask marks."""
    x, y, width, height = cv2.boundingRect((mask > 0).astype(np.uint8))
    return x, y, width, height


def generate(folder: Path, args: argparse.Namespace) -> Boxes:
    """Write images to fit to and to predict; return boxes of the latter.

    Masks of defective images are written, too.
    """
    random = np.random.RandomState(0)
    truth: Boxes = {}
    good: list[Path] = []
    bad = with_masks(args.defective, args.masks)
    if args.good:
        kinds = '.png', '.jpg'
        good = [p for p in sorted(args.good.iterdir()) if p.suffix in kinds]
        good = [p for p in good if p.suffix == good[0].suffix]
        apart = len(good) // 2
    for kind, count in (
        ('fit', args.fit),
        (GOOD, args.count),
        (DEFECTIVE, args.count),
    ):
        fitting = kind == 'fit'
        size = tuple(args.fit_size or args.size if fitting else args.size)
        home = folder / ('fit' if fitting else 'new') / kind
        home.mkdir(parents=True)
        (folder / 'masks' / kind).mkdir(parents=True)
        for i in range(count):
            faulty = kind == DEFECTIVE
            if good:
                part = good[:apart] if fitting else good[apart:]
                image, mask = canvas(
                    random, args, size, part, bad if faulty else []
                )
                boxes = [extent(mask)] if faulty else []
            else:
                image, boxes = strip(random, size, 3 * faulty)
                mask = np.zeros_like(image)
                for x, y, width, height in boxes:
                    mask[int(y) : int(y + height), int(x) : int(x + width)] = 1
            name = f'{kind}/{i}.jpg'
            cv2.imwrite(
                str(home / f'{i}.jpg'), image, [cv2.IMWRITE_JPEG_QUALITY, 95]
            )
            if not fitting:
                truth[name] = boxes
            if faulty:
                cv2.imwrite(str(folder / 'masks' / name) + '.png', mask)
    return truth


def run(
    folder: Path,
    tile: str,
    truth: Boxes,
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
    boxes: Boxes = {name: [] for name in truth}
    for one in coco['annotations']:
        boxes[names[one['image_id']]].append(one['bbox'])
    hits, false, peaks = [], [], []
    metric = AnomalyMetric()
    for name, wanted in truth.items():
        size, sample = maps[name].size, {'anomaly_score': scores[name]}
        sample |= {'gt_label': int(bool(wanted)), 'img_path': name}
        sample |= {'anomaly_map': maps.load_map(name), 'ori_shape': size}
        if wanted:
            mask = read_image(str(folder / 'masks' / name) + '.png')
            sample['gt_mask'] = mask[..., 0]
        metric.process(None, [sample])
        hits += [any(inside(b, w) for b in boxes[name]) for w in wanted]
        if wanted:
            values = resize_map(maps.load_map(name), size)
            y, x = np.unravel_index(values.argmax(), values.shape)
            peaks.append(any(near(float(x), float(y), w) for w in wanted))
        false.append(
            sum(not any(inside(b, w) for w in wanted) for b in boxes[name])
        )
    metrics = metric.evaluate(len(truth))
    return Found(
        metrics['image_auroc'],
        metrics['pixel_auroc'],
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
            '| tile | image AUROC | pixel AUROC | peak on a defect '
            '| defects in a box | false boxes an image | fit, s | MiB '
            '| prediction, s an image | MiB |'
        )
        print('|---' * 10 + '|')
        for tile in args.tiles:
            made = run(folder, tile, truth, args.config, args.options)
            print(
                f'| {tile} | {made.auroc:.3f} | {made.pixel_auroc:.3f} '
                f'| {made.peak:.0%} | {made.hit:.0%} '
                f'| {made.false_boxes:.1f} | {made.fit[0]:.0f} '
                f'| {made.fit[1]:.0f} | {made.predict[0] / count:.1f} '
                f'| {made.predict[1]:.0f} |',
                flush=True,
            )


if __name__ == '__main__':
    main()
