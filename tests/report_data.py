"""Tiny results of every command, as a report reads them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmcvgssl.apis.one_class.table import write_category
from mmcvgssl.datasets.coco_file import FROM_MAPS, JOINED
from mmcvgssl.evaluation.few_shot import FewShotResults
from mmcvgssl.maps.writer import MapWriter, join_manifests
from mmcvgssl.predictions import (
    AnomalyPrediction,
    BoxPrediction,
    ClassPrediction,
    Prediction,
    json_table,
)
from mmcvgssl.provenance import FileState, Provenance
from tests.data import picture

# as names of classes; the second may also be that of a folder
HOSTILE = '</script><script>window.hacked = 1</script>'
IN_PATHS = '<img src=x onerror="window.hacked = 1">'
THRESHOLD = 0.5


def write_training(
    folder: Path, loss: float = 2.0, end: str = '', epochs: int = 4
) -> Path:
    """Write what a training of two iterations an epoch logs."""
    lines = []
    for epoch in range(1, epochs + 1):
        step = 2 * epoch
        row = {'lr': 0.1, 'loss': loss / epoch, 'epoch': epoch}
        lines.append({**row, 'iter': step, 'step': step})
        lines.append({'coco/bbox_mAP': epoch / 10, 'time': 1, 'step': epoch})
    file = folder / '20260101_000000' / 'vis_data' / 'scalars.json'
    file.parent.mkdir(parents=True)
    text = ''.join(f'{json.dumps(line)}\n' for line in lines)
    file.write_text(text + end)
    (folder / 'cfg.py').write_text(f'loss = {loss}\nname = "<b>"\n')
    Provenance({'seed': loss, 'version': {'torch': '2'}}).write(
        folder / 'provenance.json'
    )
    return folder


def write_few_shot(folder: Path, better: float = 0.0, test: str = 'a') -> Path:
    """Write accuracies of three draws for two numbers of labels."""
    folder.mkdir(parents=True)
    settings = {
        'mode': 'probe',
        'checkpoint': f'{folder.name}.pth',
        'lists': {'test': {'content': test}},
        'n_test': 9,
    }
    results = FewShotResults(folder / 'few_shot.json', settings)
    for shots in (1, 4):
        for run in range(3):
            results.add(shots, 50 + shots + run + better, [])
    return folder


def write_images(folder: Path, classes: Mapping[str, int]) -> list[str]:
    """Write images of classes in folders of their names."""
    paths = []
    for name, count in classes.items():
        (folder / name).mkdir(parents=True)
        for i in range(count):
            paths.append(f'{name}/{i}.png')
            picture(len(paths), 32).save(folder / paths[-1])
    return paths


def write_predictions(
    folder: Path,
    kind: str,
    root: Path,
    predictions: Sequence[Prediction],
    **head: Any,
) -> Path:
    """Write a table as mmcvgssl predict does."""
    folder.mkdir(parents=True, exist_ok=True)
    for prediction in predictions:
        prediction.path = str(root / prediction.path)
        if prediction.error is None:
            prediction.size = prediction.size or (32, 32)
    values = {
        'model': {'kind': kind},
        'overlays': None,
        'maps': None,
        'root': str(root),
        **head,
    }
    (folder / 'predictions.json').write_bytes(json_table(values, predictions))
    Provenance({'model': kind}).write(folder / 'provenance.json')
    return folder


def write_anomaly(folder: Path, root: Path) -> Path:
    """Predict ten good images and ten of two defects, two of them wrong.

    The first twelve have overlays.
    """
    names = write_images(root, {'good': 10, 'dent': 6, IN_PATHS: 4})
    scores = [*np.linspace(0.1, 0.4, 9), 0.9, 0.2, *np.linspace(0.6, 1, 9)]
    found: list[Prediction] = [
        AnomalyPrediction.of(name, float(score), THRESHOLD, np.zeros((1, 1)))
        for name, score in zip(names, scores, strict=True)
    ]
    for name in names[:12]:
        file = folder / 'overlays' / f'{name}.png'
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), np.full((32, 32, 3), 90, np.uint8))
    return write_predictions(
        *(folder, 'anomaly', root, found),
        threshold=THRESHOLD,
        map_threshold=THRESHOLD,
        colours='colours as they are',
        overlays='overlays',
    )


def write_classes(folder: Path, root: Path) -> Path:
    """Predict six images of two classes, one of them wrong."""
    names = write_images(root, {'rust': 3, IN_PATHS: 3})
    classes = [IN_PATHS, 'rust']
    labels = [1, 1, 0, 0, 0, 0]
    found: list[Prediction] = [
        ClassPrediction.of(name, [0.9, 0.8][::-1], label, classes)
        for name, label in zip(names, labels, strict=True)
    ]
    return write_predictions(folder, 'classifier', root, found)


def write_boxes(folder: Path, root: Path) -> tuple[Path, Path]:
    """Predict boxes on three images; also write the truth as COCO.

    Of two true boxes, one is found; one box is false, on the good image.
    """
    names = write_images(root, {'a': 3})
    box = [4.0, 4.0, 20.0, 20.0]
    found: list[Prediction] = [
        BoxPrediction(name, boxes=boxes, count=len(boxes))
        for name, boxes in zip(
            names,
            (
                [{'label': HOSTILE, 'score': 0.9, 'box': box}],
                [],
                [{'label': HOSTILE, 'score': 0.5, 'box': box}],
            ),
            strict=True,
        )
    ]
    write_predictions(
        *(folder, 'detector', root, found),
        classes=[HOSTILE],
        score_threshold=0.1,
    )
    truth = coco(names, {0: [4, 4, 16, 16], 1: [0, 0, 9, 9]}, HOSTILE)
    file = root.with_suffix('.json')
    file.write_text(json.dumps(truth))
    return folder, file


def coco(
    names: Sequence[str],
    boxes: Mapping[int, Sequence[float]],
    category: str,
    description: str = '',
) -> dict[str, Any]:
    """Return a COCO file of images of 32 pixels, with a box or none each."""
    return {
        'info': {'description': description},
        'images': [
            {'id': i, 'file_name': name, 'width': 32, 'height': 32}
            for i, name in enumerate(names)
        ],
        'annotations': [
            {
                'id': i,
                'image_id': i,
                'category_id': 1,
                'bbox': box,
                'area': box[2] * box[3],
                'iscrowd': 0,
                'score': 0.5,
            }
            for i, box in boxes.items()
        ],
        'categories': [{'id': 1, 'name': category}],
    }


def write_pseudo_boxes(folder: Path, names: Sequence[str]) -> Path:
    """Write boxes as mmcvgssl boxes cuts them from maps."""
    folder.mkdir(parents=True)
    report = {
        'images': len(names),
        'boxes': 1,
        'boxes_per_image': {'mean': 0.5, 'images_with': [1, 1]},
        'share_without_box': 0.5,
        'area_histogram': {'edges': [1, 4, 16], 'counts': [0, 1]},
        'score_histogram': {'edges': [0, 0.5, 1], 'counts': [0, 1]},
        'notes': [HOSTILE],
    }
    (folder / 'report.json').write_text(json.dumps(report))
    content = coco(names, {0: [2, 2, 9, 9]}, 'anomaly', FROM_MAPS)
    (folder / 'annotations.json').write_text(json.dumps(content))
    return folder


def write_maps(folder: Path, root: Path, names: Sequence[str]) -> Path:
    """Write maps of images, each score higher than the one before."""
    with MapWriter(folder) as writer:
        for i, name in enumerate(names):
            values = np.linspace(0, i + 1, 16, dtype=np.float32)
            state = FileState.of(root / name)
            values = values.reshape(4, 4)
            assert writer.write(name, values, (32, 32), i, state) is None
    join_manifests(folder, names)
    return folder


def write_one_class(folder: Path, root: Path, names: Sequence[str]) -> Path:
    """Write scores of a category, each higher than the one before."""
    rows = [
        {
            'path': str(root / name),
            'defect': name.partition('/')[0],
            'label': int(not name.startswith('good')),
            'score': float(i),
        }
        for i, name in enumerate(names)
    ]
    result = {'metrics': {}, 'threshold': {'threshold': 1.0}}
    write_category(result, rows, folder / 'result.json')
    return folder


def write_joined(folder: Path, names: Sequence[str]) -> Path:
    """Write labels of the first image, and a detector's box on the second."""
    folder.mkdir(parents=True)
    content = coco(names, {0: [2, 2, 9, 9], 1: [4, 4, 8, 8]}, 'dent', JOINED)
    content['annotations'][1]['pseudo'] = True
    (folder / 'annotations.json').write_text(json.dumps(content))
    of = {'labels': 1, 'boxes': 1, 'threshold': 0.25}
    of |= {'precision': 0.5, 'recall': None}
    report = {'boxes': 1, 'images': {'boxed': 1}, 'classes': {HOSTILE: of}}
    (folder / 'report.json').write_text(json.dumps(report))
    return folder
