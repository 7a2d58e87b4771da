"""A COCO file written anew, with what the check had found put right."""

from __future__ import annotations

import json
import math
from argparse import ArgumentParser
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcvgssl.datasets.coco_boxes import Box, plain_box, rotation
from mmcvgssl.datasets.coco_check import CocoFindings, check_coco
from mmcvgssl.datasets.coco_file import AnnotationError, number, read_coco
from mmcvgssl.datasets.preparation.annotations import Preparation
from mmcvgssl.datasets.reading import OpenedImage
from mmcvgssl.utils import atomic_write, some

Entry = dict[str, Any]


@dataclass(frozen=True)
class Repaired:
    """What was changed, and what the new file is like.

    Args:
        counts: Entries changed, by the name of the fix.
        check: Check of the new file.
    """

    counts: dict[str, int]
    check: CocoFindings

    def summary(self) -> str:
        """Count the changes; say what is still wrong."""
        lines = [f'{name}: {n} changed' for name, n in self.counts.items()]
        lines.append(f'{self.check.file} written')
        if not self.check.problems:
            return '\n'.join([*lines, self.check.summary()])
        left = ', '.join(
            f'{kind} ({len(found)})'
            for kind, found in self.check.problems.items()
        )
        return '\n'.join(
            [*lines, f'still wrong: {left}; prepare_data.py check lists all']
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the same for scripts."""
        return {'changed': self.counts, **self.check.as_dict()}


def repair_boxes(
    file: str | Path,
    out: str | Path,
    fixes: Sequence[str],
    images: str | Path | None = None,
) -> Repaired:
    """Write a COCO file anew, with these fixes and nothing else changed.

    Args:
        file: The COCO file.
        out: The new one.
        fixes: Names of ``FIXES``; they are made in the order of that table.
        images: Folder of the images; by default the file's.

    Raises:
        FileNotFoundError: If the file is missing.
        AnnotationError: If it is no COCO file, or a fix needs an image that
            it does not name.
        UnreadableImageError: If a fix needs an image that cannot be read.
        ValueError: If a fix is unknown, or ``out`` would replace the file.
    """
    file, out = Path(file), Path(out)
    unknown = set(fixes) - set(FIXES)
    if unknown or not fixes:
        raise ValueError(
            f'fixes are some of {", ".join(FIXES)}, got {list(fixes)}'
        )
    if out.exists():
        raise ValueError(f'{out} exists: choose the name of a new file')
    folder = Path(images) if images else file.parent
    coco = read_coco(file)
    for part in ('images', 'annotations', 'categories'):
        if not all(isinstance(entry, dict) for entry in coco[part]):
            raise AnnotationError(
                f'{file}: some {part} are no objects: mmcvgssl prepare '
                'check names them'
            )
    counts = {
        name: fix(coco, folder) for name, fix in FIXES.items() if name in fixes
    }
    atomic_write(out, json.dumps(coco, ensure_ascii=False).encode())
    return Repaired(counts, check_coco(out, folder, look='sizes'))


def _numbers(coco: Entry, folder: Path) -> int:
    """Numbers as text become numbers; a missing area is that of the box."""
    changed = 0
    keys = {
        'images': ('id', 'width', 'height'),
        'annotations': ('id', 'image_id', 'category_id', 'area', 'iscrowd'),
        'categories': ('id',),
    }
    for part, names in keys.items():
        for entry in coco[part]:
            before = repr(entry)
            for key in names:
                if key in entry:
                    entry[key] = _number(entry[key])
            if isinstance(entry.get('bbox'), list):
                entry['bbox'] = [_number(v) for v in entry['bbox']]
            box = plain_box(entry.get('bbox'))
            if part == 'annotations' and box and not number(entry.get('area')):
                entry['area'] = box[2] * box[3]
            changed += before != repr(entry)
    return changed


def _number(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if not isinstance(value, str) or '_' in value:
        return value
    try:
        return int(value)  # which float is not of long ids
    except ValueError:
        pass
    try:
        found = float(value)
    except ValueError:
        return value
    # JSON has no NaN and no infinity
    return _number(found) if math.isfinite(found) else value


def _crowds(coco: Entry, folder: Path) -> int:
    """iscrowd=1 and ignore=1 become 0, where a box is one defect."""
    crowds = [
        entry
        for entry in coco['annotations']
        if entry.get('iscrowd') or entry.get('ignore')
    ]
    for entry in crowds:
        entry['iscrowd'] = 0
        entry.pop('ignore', None)
    return len(crowds)


def _corners(coco: Entry, folder: Path) -> int:
    """[left, top, right, bottom] becomes [x, y, width, height]."""
    changed = 0
    for entry, (left, top, right, bottom) in _boxes(coco):
        _put(entry, (left, top, right - left, bottom - top))
        changed += 1
    return changed


def _shares(coco: Entry, folder: Path) -> int:
    """Shares of width and height become pixels."""
    sizes, changed = _sizes(coco), 0
    for entry, (x, y, w, h) in _boxes(coco):
        width, height = sizes.get(_key(entry), (0.0, 0.0))
        if width and height:
            _put(entry, (x * width, y * height, w * width, h * height))
            changed += 1
    return changed


def _rotated(coco: Entry, folder: Path) -> int:
    """A box that CVAT has turned becomes the upright one around it."""
    changed = 0
    for entry, (x, y, w, h) in _boxes(coco):
        degrees = rotation(entry)
        if not degrees:
            continue
        angle = math.radians(degrees)
        cos, sin = abs(math.cos(angle)), abs(math.sin(angle))
        wide, tall = w * cos + h * sin, w * sin + h * cos
        _put(entry, (x + (w - wide) / 2, y + (h - tall) / 2, wide, tall))
        changed += 1
        entry.pop('rotation', None)
        if isinstance(entry.get('attributes'), dict):
            entry['attributes'].pop('rotation', None)
    return changed


def _orientation(coco: Entry, folder: Path) -> int:
    """Boxes of the stored frame of a photo move to the upright one.

    Of images whose size in the file is that of the stored pixels alone;
    outlines are dropped, as no detector here reads them.
    """
    unnamed = [i for i in coco['images'] if not i.get('file_name')]
    if unnamed:
        ids = [repr(image.get('id')) for image in unnamed]
        raise AnnotationError(
            f'the fix orientation reads the images, but {some(ids, "image")} '
            'of the file, by id, have no file_name: add it, or leave this fix '
            'out'
        )
    moved: dict[str, tuple[int, int, int]] = {}
    for image in coco['images']:
        with OpenedImage(folder / str(image['file_name'])) as opened:
            size, turned = opened.size, opened.orientation
        stated = image.get('width'), image.get('height')
        if turned >= 5 and size[0] != size[1] and stated == size[::-1]:
            moved[_key(image, 'id')] = (*stated, turned)
            image['width'], image['height'] = size
    for entry, box in _boxes(coco):
        if _key(entry) in moved:
            _put(entry, _upright(box, *moved[_key(entry)]))
    return len(moved)


def _upright(box: Box, width: int, height: int, turned: int) -> Box:
    """Move a box of stored pixels as an orientation of 5 to 8 shows them."""
    x, y, w, h = box
    right, below = width - x - w, height - y - h
    left = {5: y, 6: below, 7: below, 8: y}[turned]
    top = {5: x, 6: x, 7: right, 8: right}[turned]
    return left, top, h, w


def _clip(coco: Entry, folder: Path) -> int:
    """Boxes end with their image; those without a pixel in it are dropped."""
    sizes = _sizes(coco)
    clipped, changed = [], 0
    for entry in coco['annotations']:
        box, size = plain_box(entry.get('bbox')), sizes.get(_key(entry))
        if box is None or size is None or not all(size):
            clipped.append(entry)
            continue
        x, y, w, h = box
        left, top = max(x, 0.0), max(y, 0.0)
        right, bottom = min(x + w, size[0]), min(y + h, size[1])
        cut = left, top, right - left, bottom - top
        if min(cut[2:]) < 1:
            changed += 1
            continue
        if cut != box:
            _put(entry, cut)
            changed += 1
        clipped.append(entry)
    coco['annotations'] = clipped
    return changed


FIXES: dict[str, Callable[[Entry, Path], int]] = {
    'numbers': _numbers,
    'crowds': _crowds,
    'corners': _corners,
    'shares': _shares,
    'rotated': _rotated,
    'orientation': _orientation,
    'clip': _clip,
}


def _boxes(coco: Entry) -> Iterator[tuple[Entry, Box]]:
    for entry in coco['annotations']:
        box = plain_box(entry.get('bbox'))
        if box is not None:
            yield entry, box


def _put(entry: Entry, box: Box) -> None:
    """Give an annotation another box, with its area and without an outline."""
    entry['bbox'] = [_number(round(v, 3)) for v in box]
    entry['area'] = entry['bbox'][2] * entry['bbox'][3]
    entry.pop('segmentation', None)


def _sizes(coco: Entry) -> dict[str, tuple[float, float]]:
    return {
        _key(image, 'id'): (
            number(image.get('width')) or 0.0,
            number(image.get('height')) or 0.0,
        )
        for image in coco['images']
    }


def _key(entry: Entry, name: str = 'image_id') -> str:
    return repr(entry.get(name))


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('file', help='COCO file of boxes')
    parser.add_argument('--out', required=True, help='the new file')
    parser.add_argument(
        '--images', help='folder of the images (default: that of the file)'
    )
    parser.add_argument(
        '--fixes',
        nargs='+',
        required=True,
        choices=list(FIXES),
        metavar='FIX',
        help='; '.join(
            f'{name}: {(fix.__doc__ or "").splitlines()[0].lower()}'
            for name, fix in FIXES.items()
        ),
    )


PREPARATION = Preparation(
    help='boxes in a COCO file: write it anew, with what is wrong put right',
    add_arguments=add_arguments,
    run=repair_boxes,
)
