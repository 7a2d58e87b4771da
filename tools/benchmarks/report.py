"""Measure `mmcvgssl report` over many predictions: seconds, memory, size.

Makes a table of predictions and a COCO file of the truth; only some of the
images exist, those that the gallery shows.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import cv2
import numpy as np
from peak import measured

from mmcvgssl.predictions import JSON_TABLE, AnomalyPrediction, json_table

REPORT = Path(__file__).parents[1] / 'report.py'
SIDE, WRITTEN = 1024, 100


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--predictions', type=int, default=100_000)
    return parser.parse_args()


def make(folder: Path, count: int) -> tuple[Path, Path]:
    """Write predictions of good and of defective images, and the truth.

    Args:
        folder: Where they go.
        count: Number of predictions, a tenth of defective images.
    """
    random = np.random.default_rng(0)
    images = folder / 'images'
    images.mkdir()
    scores = random.normal(size=count)
    first = count - count // 10
    scores[first:] += 2
    found, rows = [], []
    for i, score in enumerate(scores.tolist()):
        made = AnomalyPrediction(str(images / f'{i}.png'), score=score)
        made.size = SIDE, SIDE
        found.append(made)
        size = {'width': SIDE, 'height': SIDE}
        rows.append({'id': i, 'file_name': f'{i}.png', **size})
    worst = [
        *np.argsort(-scores[:first]),
        *(first + np.argsort(scores[first:])),
    ]
    for i in (*worst[:WRITTEN], *worst[first : first + WRITTEN]):
        picture = random.integers(0, 255, (SIDE, SIDE, 3), np.uint8)
        cv2.imwrite(found[i].path, picture)
    out = folder / 'predictions'
    out.mkdir()
    head = {'model': {'kind': 'anomaly'}, 'threshold': 1.0}
    head |= {'root': str(images), 'overlays': None, 'maps': None}
    (out / JSON_TABLE).write_bytes(json_table(head, found))
    box = {'category_id': 1, 'bbox': [1, 1, 9, 9], 'area': 81, 'iscrowd': 0}
    boxes = [{'id': i, 'image_id': i, **box} for i in range(first, count)]
    truth = folder / 'truth.json'
    names = [{'id': 1, 'name': 'dent'}]
    parts = {'images': rows, 'annotations': boxes, 'categories': names}
    truth.write_text(json.dumps(parts))
    return out, truth


def main() -> None:
    """Measure."""
    args = parse_args()
    with tempfile.TemporaryDirectory() as name:
        out, truth = make(Path(name), args.predictions)
        page = Path(name, 'report.html')
        words = [str(REPORT), str(out), '--truth', str(truth)]
        seconds, peak = measured([*words, '--out', str(page)])
        size = page.stat().st_size / 1e6
    print(
        f'{args.predictions} predictions: {seconds:.1f} s, peak memory '
        f'{peak:.0f} MiB, page of {size:.1f} MB'
    )


if __name__ == '__main__':
    main()
