"""The part of a data set that a COCO file names."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path
from typing import Any

from mmcvgssl.datasets.checks.data_part import (
    DataPart,
    PartImage,
    is_tested_on,
)
from mmcvgssl.datasets.checks.list_part import missing_finding, present
from mmcvgssl.datasets.coco_check import CocoFindings, check_coco
from mmcvgssl.datasets.coco_file import is_id


def coco_part(
    name: str,
    file: Path,
    root: str | Path | None = None,
    only_boxes: bool = False,
) -> DataPart:
    """Read a COCO file; an image whose boxes are of one class is of it.

    Args:
        name: Name of the part.
        file: The COCO file.
        root: Folder that its names are relative to; by default the file's.
        only_boxes: Whether its images are known from a list.

    Raises:
        FileNotFoundError: If none of its images is there.
        AnnotationError: If it is no COCO file, or names no image.
    """
    home = Path(root or file.parent)
    found = check_coco(file, home, look='sizes', testing=is_tested_on(name))
    images = _images(found, home)
    if not images:
        raise ValueError(
            f'{file}: no images; expected entries with id and file_name in '
            'the list images'
        )
    here, missing = present(images, file, home)
    part = DataPart(name, file, here, boxes=found, boxes_root=home)
    part.only_boxes = only_boxes
    part.findings += missing_finding(name, missing, home)
    return part


def _images(found: CocoFindings, home: Path) -> list[PartImage]:
    """Return the images that have a name, each once."""
    names = {
        entry['id']: entry['name']
        for entry in _entries(found, 'categories', 'name')
    }
    classes: dict[int, set[str]] = defaultdict(set)
    for entry in found.content['annotations']:
        if isinstance(entry, dict) and is_id(entry.get('image_id')):
            category = entry.get('category_id')
            known = is_id(category) and category in names
            classes[entry['image_id']].add(names[category] if known else '')
    images: dict[str, PartImage] = {}
    for entry in _entries(found, 'images', 'file_name'):
        path = os.path.normpath(entry['file_name'])
        own = classes[entry['id']]
        label = next(iter(own)) or None if len(own) == 1 else None
        file = os.path.abspath(home / path)
        images.setdefault(path, PartImage(path, file, label))
    return [*images.values()]


def _entries(
    found: CocoFindings, part: str, text: str
) -> list[dict[str, Any]]:
    return [
        entry
        for entry in found.content[part]
        if isinstance(entry, dict)
        and is_id(entry.get('id'))
        and isinstance(entry.get(text), str)
        and entry[text].strip()
    ]
