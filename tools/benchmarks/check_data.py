"""Measure mmcvgssl check: what it finds of what was planted, and its cost.

    python tools/benchmarks/check_data.py labels data/x_sdd
    python tools/benchmarks/check_data.py boxes train.json --root data/neu_det
    python tools/benchmarks/check_data.py copies data/x_sdd
    python tools/benchmarks/check_data.py files --count 50000

`labels` gives a share of the images a wrong class, drawn by seeds, and counts
which of them are named; `boxes` does the same with the boxes of a COCO file.
`copies` changes some of the images as programs and cameras do, and counts
which of these are near copies of the right one. `files` writes images of 64
pixels, one of a thousand a mirrored copy of another, and states seconds,
memory and what of them is found. Each prints a table.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mmcvgssl.apis.checking.reading import read_all
from mmcvgssl.apis.features import FeatureExtractor
from mmcvgssl.datasets.checks import ImageTable, find_parts, read_facts
from mmcvgssl.datasets.checks.near_copies import SIMILARITY, near_copies
from mmcvgssl.datasets.reading import read_image
from mmcvgssl.evaluation.label_errors import find_label_errors
from mmcvgssl.utils import evenly

sys.path.insert(0, str(Path(__file__).parent))
from peak import measured

HEAD = '| wrong | named | precision, % | recall, % |\n|---|---|---|---|'
TOOL = Path(__file__).parents[1] / 'check_data.py'
Change = Callable[[np.ndarray], np.ndarray]


def _scaled(factor: float) -> Change:
    return lambda image: cv2.resize(
        image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA
    )


def _times(factor: float) -> Change:
    return lambda image: cv2.convertScaleAbs(image, alpha=factor)


def _cropped(share: float) -> Change:
    def crop(image: np.ndarray) -> np.ndarray:
        y, x = (round(share * n) for n in image.shape[:2])
        return image[y:, x:]

    return crop


def _noisy(image: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 4, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


# what is done to an image, and the quality of the JPEG
CHANGES: dict[str, tuple[Change, int]] = {
    'JPEG of quality 50': (lambda image: image, 50),
    'half the side': (_scaled(0.5), 95),
    'twice the side': (_scaled(2), 95),
    '0.6 times as bright': (_times(0.6), 95),
    'noise of 4 grey levels': (_noisy, 95),
    'mirrored, quality 80': (lambda image: image[:, ::-1], 80),
    'turned by 90°, quality 80': (np.rot90, 80),
    'cropped by 1 %': (_cropped(0.01), 95),
    'cropped by 5 %': (_cropped(0.05), 95),
}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest='what', required=True)
    labels = commands.add_parser('labels')
    labels.add_argument('set')
    labels.add_argument('--root', help='folder that listed paths are in')
    labels.add_argument(
        '--features', default='package:efficientnet-lite0', metavar='MODEL'
    )
    boxes = commands.add_parser('boxes')
    boxes.add_argument('set', help='COCO file')
    boxes.add_argument('--root', required=True, help='folder of its images')
    for part, seeds in ((labels, 5), (boxes, 1)):
        part.add_argument(
            '--shares', type=float, nargs='+', default=[0.0, 0.02, 0.05]
        )
        part.add_argument('--seeds', type=int, default=seeds)
    copies = commands.add_parser('copies')
    copies.add_argument('set')
    copies.add_argument('--count', type=int, default=200)
    copies.add_argument('--similarity', type=float, default=SIMILARITY)
    files = commands.add_parser('files')
    files.add_argument('--count', type=int, default=50_000)
    files.add_argument('--folder', help='of the files (default: temporary)')
    return parser.parse_args()


def measure_labels(args: argparse.Namespace) -> None:
    """Print precision and recall of labels that were made wrong."""
    table = ImageTable.of(find_parts({'': args.set}, args.root))
    labels = [table.label(i) for i in range(len(table.files))]
    used = [i for i, label in enumerate(labels) if label is not None]
    # draws do not depend on how the set is listed
    used.sort(key=table.files.__getitem__)
    extractor = FeatureExtractor(args.features)
    found = extractor([table.files[i] for i in used])
    names = sorted({str(labels[i]) for i in used})
    right = np.array(
        [names.index(str(labels[used[i]])) for i in found.indices]
    )
    print(HEAD)
    for share in args.shares:
        rows = []
        for seed in range(args.seeds if share else 1):
            wrong, given = _made_wrong(right, len(names), share, seed)
            named = {e.index for e in find_label_errors(found.rows, given)}
            rows.append((len(wrong), len(named), len(named & wrong)))
        print(_line(len(right), rows))


def measure_boxes(args: argparse.Namespace) -> None:
    """Print precision and recall of labels of boxes made wrong."""
    truth = json.loads(Path(args.set).read_text())
    boxes = truth['annotations']
    numbers = [category['id'] for category in truth['categories']]
    right = np.array([numbers.index(box['category_id']) for box in boxes])
    files = {image['id']: image['file_name'] for image in truth['images']}
    keys = []
    for box in boxes:
        x, y, w, h = box['bbox']
        corners = [round(v) for v in (x, y, x + w, y + h)]
        keys.append(f'{files[box["image_id"]]} {corners} ')
    print(HEAD)
    for share in args.shares:
        rows = []
        for seed in range(args.seeds if share else 1):
            wrong, given = _made_wrong(right, len(numbers), share, seed)
            for box, label in zip(boxes, given, strict=True):
                box['category_id'] = numbers[label]
            named = _doubted(truth, args.root)
            hits = sum(any(keys[i] in n for n in named) for i in wrong)
            rows.append((len(wrong), len(named), hits))
        print(_line(len(right), rows), flush=True)


def _doubted(truth: dict, root: str) -> list[str]:
    """Return what the tool says of labels of boxes."""
    with tempfile.TemporaryDirectory() as folder:
        file, out = Path(folder) / 'boxes.json', Path(folder) / 'out'
        file.write_text(json.dumps(truth))
        words = [TOOL, file, '--root', root, '--fail-on', 'never']
        measured([str(word) for word in (*words, '--out', out)])
        found = json.loads((out / 'findings.json').read_text())['findings']
    return [
        example['text']
        for each in found
        if each['kind'] == 'box-labels'
        for example in each['examples']
    ]


def _made_wrong(
    right: np.ndarray, classes: int, share: float, seed: int
) -> tuple[set[int], np.ndarray]:
    """Give a share of the labels another class; return which, and all."""
    random = np.random.RandomState(seed)
    wrong = random.permutation(len(right))[: round(share * len(right))]
    given = right.copy()
    moves = random.randint(1, classes, len(wrong))
    given[wrong] = (given[wrong] + moves) % classes
    return {*wrong.tolist()}, given


def _line(count: int, rows: list[tuple[int, int, int]]) -> str:
    """Return a row of the table, the mean over draws."""
    n, named, hits = np.mean(rows, axis=0)
    cells = [f'{n:.0f} of {count}', f'{named:.0f}']
    cells += [f'{100 * hits / max(named, 1):.0f}']
    cells += [f'{100 * hits / n:.0f}'] if n else ['–']
    return f'| {" | ".join(cells)} |'


def measure_copies(args: argparse.Namespace) -> None:
    """Print which changed images are near copies of the right one."""
    table = ImageTable.of(find_parts({'': args.set}))
    read_all(table)
    least = args.similarity
    before = len(near_copies([table.facts[i] for i in table.read], least))
    chosen = [table.read[i] for i in evenly(len(table.read), args.count)]
    count = len(table.facts)
    print(f'{count} images, {before} pairs of near copies before')
    print('| change | found, % | taken for copies of others |\n|---|---|---|')
    for name, (change, quality) in CHANGES.items():
        facts = [*table.facts]
        with tempfile.TemporaryDirectory() as folder:
            for number, i in enumerate(chosen):
                file = f'{folder}/{number}.jpg'
                image = np.ascontiguousarray(
                    change(read_image(table.files[i]))
                )
                options = [cv2.IMWRITE_JPEG_QUALITY, quality]
                cv2.imwrite(file, image, options)
                facts.append(read_facts(file))
        sound = [i for i, fact in enumerate(facts) if fact.error is None]
        pairs = [
            (sound[pair.first], sound[pair.other])
            for pair in near_copies([facts[i] for i in sound], least)
        ]
        of = {count + number: i for number, i in enumerate(chosen)}
        right = {max(pair) for pair in pairs if of.get(max(pair)) == min(pair)}
        others = {max(pair) for pair in pairs if max(pair) in of} - right
        share = 100 * len(right) / len(chosen)
        print(f'| {name} | {share:.0f} | {len(others)} |')


def measure_files(args: argparse.Namespace) -> None:
    """Print seconds, memory and findings of many small files."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(args.folder or temporary) / 'files'
        planted = _write(folder, args.count)
        out = Path(temporary) / 'out'
        began = time.monotonic()
        options = ['--features', 'none', '--fail-on', 'never', '--out', out]
        words = [TOOL, folder, *options]
        seconds, peak = measured([str(word) for word in words])
        took = time.monotonic() - began
        found = json.loads((out / 'findings.json').read_text())
    counts = {f['kind']: f['count'] for f in found['findings']}
    print(
        '| files | planted | found | seconds | of processors | MiB |\n'
        '|---|---|---|---|---|---|\n'
        f'| {args.count} | {planted} | {counts} | {took:.0f} | {seconds:.0f} '
        f'| {peak:.0f} |'
    )


def _write(folder: Path, count: int) -> int:
    """Write images of two parts and seven classes; count the copies."""
    planted = 0
    for i in range(count):
        part = 'train' if i % 5 else 'test'
        home = folder / part / f'class {i % 7}'
        home.mkdir(parents=True, exist_ok=True)
        copy = i % 1000 == 999
        image = _surface(i - 7 if copy else i)
        planted += copy
        cv2.imwrite(str(home / f'{i}.png'), image[:, ::-1] if copy else image)
    return planted


def _surface(seed: int) -> np.ndarray:
    random = np.random.RandomState(seed)
    image = np.zeros((64, 64), np.float32)
    for sigma in (1.2, 3.0, 8.0):
        noise = random.normal(size=image.shape).astype(np.float32)
        spots = cv2.GaussianBlur(noise, (0, 0), sigma)
        image += spots / spots.std()
    return np.clip(128 + 28 * image, 0, 255).astype(np.uint8)


def main() -> None:
    """Measure what was asked for."""
    args = parse_args()
    measure = {
        'labels': measure_labels,
        'boxes': measure_boxes,
        'copies': measure_copies,
        'files': measure_files,
    }
    measure[args.what](args)


if __name__ == '__main__':
    main()
