"""Boxes that a config reads, checked before the hosts read them."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmcvgssl.datasets.coco_check import check_classes, check_coco


def check_annotations(cfg: Config) -> None:
    """Check the COCO files and class names of all data sets of a config.

    Raises:
        FileNotFoundError: If a file of annotations is missing.
        AnnotationError: Names what is wrong with a file, all at once.
    """
    seen = set()
    for part in ('train', 'val', 'test'):
        loader = cfg.get(f'{part}_dataloader') or {}
        for data_set in coco_sets(loader.get('dataset')):
            classes = (data_set.get('metainfo') or {}).get('classes')
            check_classes(classes)
            root = Path(data_set.get('data_root') or '')
            file = root / data_set['ann_file']
            images = root / (data_set.get('data_prefix') or {}).get('img', '')
            key = file, images, tuple(classes or ())
            if key not in seen:
                check_coco(file, images, classes).raise_problems()
            seen.add(key)


def coco_sets(node: Any) -> Iterator[MutableMapping[str, Any]]:
    """Find the COCO data sets in one, however they are wrapped."""
    if isinstance(node, MutableMapping):
        if str(node.get('type', '')).endswith('CocoDataset'):
            if node.get('ann_file'):
                yield node
            return
        for key in ('dataset', 'datasets'):
            yield from coco_sets(node.get(key))
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from coco_sets(item)
