"""Reading COCO files without guessing."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, TypeGuard

_PARTS = ('images', 'annotations', 'categories')
# the hosts' reader opens none of them; a longer mark goes before its start
_MARKS = (
    (codecs.BOM_UTF8, 'UTF-8 with a byte order mark'),
    (codecs.BOM_UTF32_LE, 'UTF-32'),
    (codecs.BOM_UTF32_BE, 'UTF-32'),
    (codecs.BOM_UTF16_LE, 'UTF-16'),
    (codecs.BOM_UTF16_BE, 'UTF-16'),
)
# `description` of boxes that mmcvgssl boxes has written
FROM_MAPS = 'boxes cut from anomaly maps'
# of labels and boxes of a detector; each of these has the key PSEUDO
JOINED, PSEUDO = 'labels joined with boxes of a detector', 'pseudo'
_LONGEST = 80  # characters of a value, in a message


class AnnotationError(ValueError):
    """Annotations that are wrong or missing."""


class _RepeatedKeyError(ValueError):
    pass


def read_coco(
    file: str | Path, parts: Sequence[str] = _PARTS
) -> dict[str, Any]:
    """Read a COCO file, its entries unchanged.

    Args:
        file: The file.
        parts: Lists that it must have.

    Returns:
        What it holds, each of ``parts`` a list.

    Raises:
        FileNotFoundError: If the file is missing.
        AnnotationError: If it is no COCO file that the hosts could open.
    """
    file = Path(file)
    if not file.is_file():
        raise FileNotFoundError(
            f'no file of boxes {file}: check ann_file and data_root'
        )
    try:
        content = json.loads(_text(file), object_pairs_hook=_once)
    except (RecursionError, ValueError) as error:
        if isinstance(error, AnnotationError):
            raise
        raise _no_coco(file, f'{type(error).__name__}: {error}') from error
    if not isinstance(content, dict):
        raise _no_coco(file, f'it holds {shown(content)}')
    for part in parts:
        if not isinstance(content.get(part), list):
            found = shown(content[part]) if part in content else 'missing'
            raise _no_coco(file, f'{part} is {found}')
    return content


def first_categories(whole: dict[str, Any]) -> list[Any]:
    """Return the category id of each image's first box, None without one.

    It is what images are divided, and drawn, by.
    """
    first: dict[Any, Any] = {}
    for box in whole['annotations']:
        first.setdefault(box['image_id'], box['category_id'])
    return [first.get(image['id']) for image in whole['images']]


def part_of_coco(
    whole: dict[str, Any], indices: Collection[int]
) -> dict[str, Any]:
    """Return the images at these indices, with the ids that they have."""
    images = [whole['images'][i] for i in indices]
    ids = {image['id'] for image in images}
    return {
        **whole,
        'images': images,
        'annotations': [
            a for a in whole['annotations'] if a['image_id'] in ids
        ],
    }


def _text(file: Path) -> str:
    data = file.read_bytes()
    for mark, name in _MARKS:
        if data.startswith(mark):
            raise AnnotationError(
                f'{file}: expected UTF-8, got {name}, which the detectors '
                'cannot open: save it as UTF-8 without a mark'
            )
    try:
        return data.decode('utf-8')
    except UnicodeDecodeError as error:
        raise AnnotationError(
            f'{file}: expected UTF-8, got the byte {data[error.start]:#04x} '
            f'at {error.start}: save it as UTF-8'
        ) from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        seen: set[str] = set()
        key = next(k for k, _ in pairs if k in seen or seen.add(k))  # type: ignore[func-returns-value]
        raise _RepeatedKeyError(
            f'the key {shown(key)} stands twice in one object, and all but '
            'the last would be lost'
        )
    return content


def _no_coco(file: Path, found: str) -> AnnotationError:
    return AnnotationError(
        f'{file}: expected a COCO file with the lists images (id, file_name, '
        'width, height), annotations (id, image_id, category_id, bbox, area) '
        f'and categories (id, name), but {found}'
    )


def is_id(value: object) -> TypeGuard[int]:
    """Whether something is an id as COCO has them, a whole number."""
    return (
        isinstance(value, int)
        and not isinstance(value, bool)
        and abs(value) < 2**63
    )


def number(value: object) -> float | None:
    """Return a finite number, and None for all else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) else None


def shown(value: object) -> str:
    """Spell a value of a file for a message, on one line and shortened."""
    try:
        text = ascii(value) if _odd(value) else repr(value)
    except (RecursionError, ValueError):  # too deep, or too many digits
        text = f'a huge {type(value).__name__}'
    cut = len(text) > _LONGEST
    return f'{text[: _LONGEST - 3]}...' if cut else text


def _odd(value: object) -> bool:
    return isinstance(value, str) and not value.isprintable()
