"""Boxes in a COCO file, looked at without training."""

from __future__ import annotations

import os
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmcvgssl.datasets.coco_check import CocoFindings, check_coco
from mmcvgssl.datasets.coco_seen import MMDET, OURS, seen_by_hosts
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.copies import same_content
from mmcvgssl.datasets.image_folders import images_below
from mmcvgssl.datasets.preparation.annotations import Preparation
from mmcvgssl.utils import printable, some


@dataclass(frozen=True)
class Checked:
    """What a file holds, and what detectors learn from it.

    Args:
        coco: Content of the file, checked.
        seen: Content as this package's recipes read it; None without mmdet.
        hosts: Content as mmdet's own recipes read it.
        notes: On the images in the folder.
    """

    coco: CocoFindings
    seen: Contents | None = None
    hosts: Contents | None = None
    notes: Sequence[str] = ()

    def summary(self) -> str:
        """Say what the file holds and what is left out of it."""
        lines = [self.coco.summary(), *(f'note: {n}' for n in self.notes)]
        if self.seen is None or self.hosts is None:
            return '\n'.join([*lines, 'not compared with detectors: no mmdet'])
        lines.append(f'learned from: {self.seen.summary()}')
        if self.hosts.left_out != self.seen.left_out:
            left_out = self.hosts.left_out_text()
            lines.append(f"mmdet's own recipes: {left_out}")
        lines += [f'note: {text}' for text in self.seen.warnings]
        return '\n'.join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Return the same for scripts."""
        found = {**self.coco.as_dict(), 'notes_on_images': self.notes}
        for name, seen in (('learned', self.seen), ('mmdet', self.hosts)):
            found[name] = None if seen is None else seen.as_dict()
        return found


def check_boxes(
    file: str | Path,
    images: str | Path | None = None,
    classes: Sequence[str] | None = None,
    testing: bool = False,
) -> Checked:
    """Check a COCO file and the images that it names.

    Args:
        file: The COCO file.
        images: Folder of the images; by default the file's.
        classes: Names that a config lists.
        testing: Whether it is tested on, so that good images alone will do.

    Raises:
        FileNotFoundError: If the file is missing.
        AnnotationError: Names everything that is wrong.
    """
    folder = Path(images) if images else Path(file).parent
    found = check_coco(file, folder, classes, 'pixels', testing)
    found.raise_problems(most=None)
    notes = _folder_notes(folder, found)
    if find_spec('mmdet') is None:
        return Checked(found, notes=notes)
    names = tuple(found.boxes) if classes is None else tuple(classes)
    seen = seen_by_hosts(found, folder, names, testing)
    return Checked(found, seen[OURS], seen[MMDET], notes)


def _folder_notes(folder: Path, found: CocoFindings) -> list[str]:
    """Say which images a sound file does not name, or names twice."""
    named = [image['file_name'] for image in found.content['images']]
    plain = {*map(os.path.normpath, named)}
    others = [path for path in images_below(folder) if path not in plain]
    copies = [
        ' = '.join(map(printable, same))
        for same in same_content(folder, named)
    ]
    notes = []
    if others:
        notes.append(
            f'images in {folder} that the file does not name: '
            f'{some(map(printable, others))}'
        )
    if copies:
        notes.append(f'images of the same content: {some(copies)}')
    return notes


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('file', help='COCO file of boxes')
    parser.add_argument(
        '--images', help='folder of the images (default: that of the file)'
    )
    parser.add_argument(
        '--classes', nargs='+', help='names of classes that a config lists'
    )
    parser.add_argument(
        '--testing',
        action='store_true',
        help='the file is tested on: it may hold good images alone',
    )


PREPARATION = Preparation(
    help='boxes in a COCO file: list all that is wrong with them',
    add_arguments=add_arguments,
    run=check_boxes,
)
