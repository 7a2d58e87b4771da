"""Measure tools/predict.py beside a plain loop over the same images.

The plain loop decodes an image in the process that computes, once for the
model and once more for its overlay, and writes overlays there. Each
measurement is a process of its own, in turn: ours stops memory from going back
to the system, which cannot be undone in a process.
"""

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

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
    parser.add_argument('model', help='file of an anomaly model')
    parser.add_argument(
        'images', nargs='?', help='folder; by default JPEGs of 2048 px'
    )
    parser.add_argument('--count', type=int, default=60)
    parser.add_argument('--rounds', type=int, default=1)
    return parser.parse_args()


def generate(folder: Path, count: int) -> None:
    """Write noisy pictures of 2048 px."""
    random = np.random.RandomState(0)
    for i in range(count):
        coarse = random.randint(90, 160, (32, 32, 3)).astype(np.uint8)
        image = cv2.resize(coarse, (2048, 2048)).astype(np.int16)
        image += random.randint(-12, 13, (2048, 2048, 1)).astype(np.int16)
        cv2.imwrite(str(folder / f'{i:03}.jpg'), image.clip(0, 255))


def plain(
    predictor: Predictor, paths: list[str], out: Path | None
) -> Iterator[float]:
    """Predict in one process."""
    job = ImageJob(predictor.transforms, {'category': ''}, 0)
    reading = reading_options(predictor.transforms)
    for first in range(0, len(paths), 32):
        part = paths[first : first + 32]
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


def measure(connection, way, model: str, paths: list[str], draw: bool) -> None:
    """Send images a second, and the scores."""
    if way is ours:
        keep_freed_memory()
    predictor = Predictor(model)
    with tempfile.TemporaryDirectory() as folder:
        list(way(predictor, paths[:32], None))  # warm up
        start = time.perf_counter()
        scores = list(way(predictor, paths, Path(folder) if draw else None))
        rate = len(paths) / (time.perf_counter() - start)
    connection.send((rate, scores))


def apart(*args) -> tuple[float, list[float]]:
    """Measure in a process of its own."""
    context = multiprocessing.get_context('fork')
    here, there = context.Pipe()
    process = context.Process(target=measure, args=(there, *args))
    process.start()
    there.close()
    result = here.recv()
    process.join()
    return result


def main() -> None:
    """Measure in turn."""
    args = parse_args()
    cv2.setNumThreads(1)  # processes are forked
    with tempfile.TemporaryDirectory() as folder:
        if args.images is None:
            generate(Path(folder), args.count)
        found = find_images(args.images or folder)
        paths = [str(path) for path in found][: args.count]
        for draw in (True, False):
            rates: dict[str, list[float]] = {'plain': [], 'ours': []}
            for _ in range(args.rounds):
                slow, theirs = apart(plain, args.model, paths, draw)
                fast, scores = apart(ours, args.model, paths, draw)
                rates['plain'].append(slow)
                rates['ours'].append(fast)
            best = {name: max(values) for name, values in rates.items()}
            same = 'equal' if scores == theirs else 'NOT equal'
            print(
                f'{"with" if draw else "without"} overlays: plain '
                f'{best["plain"]:.1f}, ours {best["ours"]:.1f} images/s, '
                f'{best["ours"] / best["plain"]:.1f} times; scores {same}',
                flush=True,
            )


if __name__ == '__main__':
    main()
