"""Measure tools/predict.py beside a plain loop over the same images.

The plain loop decodes an image in the process that computes, once for the
model and once more for its overlay, and writes overlays there. Each
measurement is a process of its own, in turn: ours stops memory from going back
to the system, which cannot be undone in a process. Without a model, one is
made: a one-class model on ResNet-18 at 256 px with random weights.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from cutpaste import recipe, write_model
from turns import Found, apart, in_turns, peaks, ratio, say

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.predict import Predictor, find_images
from mmcvgssl.apis.prediction.image_job import ImageJob
from mmcvgssl.datasets.reading import read_image
from mmcvgssl.datasets.transforms.load_image import reading_options
from mmcvgssl.engine import keep_freed_memory
from mmcvgssl.maps import resize_map


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('model', nargs='?', help='file of an anomaly model')
    parser.add_argument(
        'images', nargs='?', help='folder; by default JPEGs of 2048 px'
    )
    parser.add_argument('--count', type=int, default=60)
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument('--rounds', type=int, default=3)
    return parser.parse_args()


def generate(folder: Path, count: int) -> None:
    """Write noisy pictures of 2048 px."""
    random = np.random.RandomState(0)
    for i in range(count):
        coarse = random.randint(90, 160, (32, 32, 3)).astype(np.uint8)
        image = cv2.resize(coarse, (2048, 2048)).astype(np.int16)
        image += random.randint(-12, 13, (2048, 2048, 1)).astype(np.int16)
        shown = image.clip(0, 255).astype(np.uint8)
        cv2.imwrite(str(folder / f'{i:03}.jpg'), shown)


def plain(
    predictor: Predictor, paths: list[str], out: Path | None
) -> Iterator[float]:
    """Predict in one process."""
    job = ImageJob(predictor.transforms, {'category': ''}, 0)
    reading = reading_options(predictor.transforms)
    size = predictor.batch_size
    for first in range(0, len(paths), size):
        part = paths[first : first + size]
        items = [job.load(0, path).item for path in part]
        for prediction in predictor.kind.predict(part, items):
            yield prediction.score
            if out is None:
                continue
            image = read_image(prediction.path, **reading)
            level = predictor.kind.map_threshold or 1.0
            values = resize_map(prediction.anomaly_map, image.shape[:2])
            grey = np.clip(128 * values / level, 0, 255).astype(np.uint8)
            heat = cv2.applyColorMap(grey, cv2.COLORMAP_INFERNO)
            drawn = cv2.addWeighted(image, 0.6, heat, 0.4, 0)
            cv2.imwrite(str(out / f'{Path(prediction.path).stem}.png'), drawn)


def ours(
    predictor: Predictor, paths: list[str], out: Path | None
) -> Iterator[float]:
    """Predict as the tool does."""
    name = None if out is None else lambda p: out / f'{Path(p).stem}.png'
    for batch in predictor.batches(paths, name):
        yield from (prediction.score for prediction in batch)


WAYS: dict[str, Callable[..., Iterator[float]]] = {
    'plain': plain,
    'ours': ours,
}


def measure(args: argparse.Namespace, kind: str) -> dict:
    """Return images a second, and the scores."""
    if kind == 'ours':
        keep_freed_memory()
    predictor = Predictor(args.model, batch_size=args.batch_size)
    way = WAYS[kind]
    with tempfile.TemporaryDirectory() as folder:
        list(way(predictor, args.paths[: args.batch_size], None))  # warm up
        start = time.perf_counter()
        out = Path(folder) if args.draw else None
        scores = list(way(predictor, args.paths, out))
        rate = len(args.paths) / (time.perf_counter() - start)
    return {'rate': rate, 'scores': scores, **peaks()}


def made(args: argparse.Namespace, file: Path) -> dict:
    """Write a model."""
    write_model(recipe(), args.paths[:16], file)
    return {}


def main() -> None:
    """Measure in turn."""
    args = parse_args()
    cv2.setNumThreads(1)  # processes are forked
    values = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.images is None:
            generate(folder, args.count)
        found = find_images(args.images or folder)
        args.paths = [str(path) for path in found][: args.count]
        if args.model is None:
            args.model = str(folder / 'model.safetensors')
            apart(made, args, Path(args.model))
        for args.draw in (True, False):
            words = 'with' if args.draw else 'without'
            print(f'{words} overlays')
            rows: Found = in_turns(measure, args, [*WAYS])
            equal = rows['ours'][0]['scores'] == rows['plain'][0]['scores']
            times = ratio(rows, 'ours', 'plain')
            print(
                f'{words} overlays: {times:.2f} times; scores '
                f'{"equal" if equal else "NOT equal"}'
            )
            values[f'times plain, {words} overlays'] = times
    say(values)


if __name__ == '__main__':
    main()
