"""What is wrong with a COCO file of boxes, all at once."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from mmcvgssl.utils import upright_size

_SHOWN = 20  # of one kind, in an error's message
_SLACK = 1.0  # pixels that a rounded box may stick out


class AnnotationError(ValueError):
    """Annotations that training must not start with."""


@dataclass(frozen=True)
class CocoCheck:
    """What a COCO file holds, and what is wrong with it.

    Args:
        file: The file.
        images: Number of images.
        boxes: Number of boxes by category name.
        problems: One line each, in order, by kind.
    """

    file: Path
    images: int
    boxes: Mapping[str, int]
    problems: Mapping[str, Sequence[str]]

    def summary(self) -> str:
        """Count images, and boxes by category."""
        width = max((len(name) for name in self.boxes), default=0)
        lines = [f'{self.file}: {self.images} images, no problem found']
        lines += [f'{k.ljust(width)} {n:8}' for k, n in self.boxes.items()]
        return '\n'.join(lines)

    def raise_problems(self, most: int | None = _SHOWN) -> None:
        """Stop if there are any.

        Args:
            most: Problems of one kind that are named; None for all.

        Raises:
            AnnotationError: Names them.
        """
        if not self.problems:
            return
        lines = []
        for kind, found in self.problems.items():
            lines.append(f'{kind} ({len(found)}):')
            lines += [f'  {line}' for line in found[:most]]
            if most is not None and len(found) > most:
                lines.append(f'  and {len(found) - most} more')
        text = '\n'.join(lines)
        raise AnnotationError(
            f'{self.file}: expected clean boxes, got\n{text}\nCorrect them; '
            'tools/prepare_data.py check lists all.'
        )


def check_coco(
    file: str | Path,
    images: str | Path | None = None,
    classes: Sequence[str] | None = None,
    sizes: bool = False,
) -> CocoCheck:
    """Look for what would stop, or quietly spoil, the training of a detector.

    Args:
        file: The COCO file.
        images: Folder that ``file_name`` is relative to; None: images are
            not looked for.
        classes: Names that a config lists; None: those of the file.
        sizes: Also compare sizes with the images' headers.

    Raises:
        FileNotFoundError: If the file is missing.
        AnnotationError: If it is no COCO file, or ``classes`` is no list.
    """
    file = Path(file)
    check_classes(classes)
    held = _read(file)
    found: dict[str, list[str]] = {}

    def problem(kind: str, line: str) -> None:
        found.setdefault(kind, []).append(line)

    for part in ('images', 'annotations', 'categories'):
        for key in _repeated(entry['id'] for entry in held[part]):
            problem(f'ids that stand twice in {part}', f'id {key}')
    for name in _repeated(
        os.path.normpath(image['file_name']) for image in held['images']
    ):
        problem('images that stand twice', name)
    names = {c['id']: str(c['name']) for c in held['categories']}
    for name in _repeated(str(c['name']) for c in held['categories']):
        problem('names of categories that stand twice', name)
    for name in classes or ():
        if name not in names.values():
            problem(
                'classes of the config that the file has not',
                f'{name!r}; it has {", ".join(names.values())}',
            )
    # detectors count classes in the file's order, whatever the config's
    listed = [name for name in names.values() if name in (classes or ())]
    if set(listed) == set(classes or ()) and listed != list(classes or ()):
        problem(
            'classes in another order',
            f'the file has {tuple(listed)}: list them so in the config',
        )
    known = {image['id']: image for image in held['images']}
    for entry in held['annotations']:
        for kind, line in _box_problems(entry, known, names, classes):
            problem(kind, f'annotation {entry["id"]}: {line}')
    for image in held['images']:
        if images is not None:
            for kind, line in _file_problems(image, Path(images), sizes):
                problem(kind, f'image {image["id"]}: {line}')
    if not held['annotations']:
        problem(
            'no boxes at all',
            'for pseudo-boxes raise --margin of tools/maps_to_boxes.py',
        )
    counts = Counter(names.get(a['category_id']) for a in held['annotations'])
    boxes = {name: counts[name] for name in names.values()}
    return CocoCheck(file, len(known), boxes, found)


def check_classes(classes: Any) -> None:
    """Refuse names of classes that are no list of words.

    Raises:
        AnnotationError: If it is a bare string, which is taken for a list of
            letters, or else no list.
    """
    if classes is None:
        return
    if isinstance(classes, str):
        raise AnnotationError(
            f'classes is a tuple of names, got the bare string {classes!r}: '
            f'write ({classes!r},) with a comma'
        )
    if not isinstance(classes, (list, tuple)) or not all(
        isinstance(name, str) for name in classes
    ):
        raise AnnotationError(f'classes is a tuple of names, got {classes!r}')


def _read(file: Path) -> dict[str, list[dict[str, Any]]]:
    if not file.is_file():
        raise FileNotFoundError(
            f'no file of boxes {file}: check ann_file and data_root'
        )
    try:
        held = json.loads(file.read_text('utf-8'))
        for part, keys in (
            ('images', ('id', 'file_name')),
            ('annotations', ('id', 'image_id', 'category_id', 'bbox')),
            ('categories', ('id', 'name')),
        ):
            for entry in held[part]:
                for key in keys:
                    entry[key]
    except (KeyError, TypeError, ValueError) as error:
        raise AnnotationError(
            f'{file}: expected a COCO file with images, annotations (id, '
            'image_id, category_id, bbox) and categories, but '
            f'{type(error).__name__}: {error}'
        ) from error
    return held


def _repeated(keys: Iterable[Any]) -> list[Any]:
    return [key for key, count in Counter(keys).items() if count > 1]


def _box_problems(
    entry: Mapping[str, Any],
    images: Mapping[Any, Mapping[str, Any]],
    names: Mapping[Any, str],
    classes: Sequence[str] | None,
) -> Iterable[tuple[str, str]]:
    category = entry['category_id']
    if category not in names:
        yield 'unknown categories', f'category {category}'
    elif classes is not None and names[category] not in classes:
        yield (
            'categories that the config does not list',
            f'{names[category]!r}; it lists {", ".join(classes)}',
        )
    image = images.get(entry['image_id'])
    if image is None:
        yield 'boxes without an image', f'image {entry["image_id"]}'
    box = entry['bbox']
    if (
        not isinstance(box, list)
        or len(box) != 4
        or not all(isinstance(v, (int, float)) for v in box)
        or not all(map(math.isfinite, box))
    ):
        yield 'boxes that are not [x, y, width, height]', f'{box}'
        return
    x, y, w, h = box
    if not isinstance(entry.get('area'), (int, float)):
        yield 'boxes without the key area', 'width times height will do'
    elif entry['area'] <= 0:
        yield 'boxes without an area', f'area {entry["area"]}'
    if w <= 0 or h <= 0:
        yield 'boxes without an area', f'{box}'
    elif min(w, h) < 1:
        yield 'boxes thinner than a pixel', f'{box}'
    elif image is not None and {'width', 'height'} <= image.keys():
        width, height = image['width'], image['height']
        if (
            min(x, y) < -_SLACK
            or x + w > width + _SLACK
            or y + h > height + _SLACK
        ):
            yield (
                'boxes outside their image',
                f'{box} in {width} x {height} pixels of {image["file_name"]}',
            )


def _file_problems(
    image: Mapping[str, Any], folder: Path, sizes: bool
) -> Iterable[tuple[str, str]]:
    if 'width' not in image or 'height' not in image:
        yield 'images without width and height', image['file_name']
    path = folder / image['file_name']
    if not path.is_file():
        yield 'missing images', f'{path}'
    elif sizes:
        try:
            with Image.open(path) as opened:
                size = upright_size(opened)
        except OSError as error:
            yield 'images that cannot be read', f'{path}: {error}'
            return
        told = image.get('width'), image.get('height')
        if size != told:
            yield (
                'images of another size',
                f'{path} has {size[0]} x {size[1]} pixels, the file says '
                f'{told[0]} x {told[1]}',
            )
