"""Findings in a COCO file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmcvgssl.datasets.coco_file import AnnotationError
from mmcvgssl.datasets.coco_images import UNREADABLE
from mmcvgssl.utils import printable, some

_SHOWN = 20  # of one kind, in an error's message
_SKIPPED = f'skipped: {UNREADABLE}'
_KINDS = 3  # in its last line
# kinds of problems, and the fix of mmcvgssl prepare repair
_FIXES = {
    'widths and heights that are no whole numbers above 0': 'numbers',
    'areas that are no numbers': 'numbers',
    'boxes without the key area': 'numbers',
    'iscrowd that is neither 0 nor 1': 'numbers',
    'boxes that are crowds, or to be ignored': 'crowds',
    'classes whose boxes are all crowds, or to be ignored': 'crowds',
    'boxes that are [left, top, right, bottom]': 'corners',
    'boxes that are shares of the image': 'shares',
    'rotated boxes': 'rotated',
    'images of another size': 'orientation',
    'boxes outside their image': 'clip',
    'boxes thinner than a pixel': 'clip',
    'boxes without an area': 'clip',
}

Lines = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class CocoFindings:
    """Content and problems of a COCO file.

    Args:
        file: The file.
        images: Number of images.
        boxes: Number of boxes by category name.
        problems: One line each, in order, by kind.
        notes: In the same form, findings that training can go on with.
        content: Content of the file.
    """

    file: Path
    images: int
    boxes: Mapping[str, int]
    problems: Lines
    notes: Lines = field(default_factory=dict)
    content: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def summary(self) -> str:
        """Count images, and boxes by category; then the notes."""
        width = max((len(printable(name)) for name in self.boxes), default=0)
        lines = [
            f'{self.file}: {self.images} images, '
            f'{sum(self.boxes.values())} boxes, no problem found'
        ]
        lines += [
            f'{printable(name).ljust(width)} {n:8}'
            for name, n in self.boxes.items()
        ]
        return '\n'.join([*lines, *(f'note: {n}' for n in self.note_lines())])

    def as_dict(self) -> dict[str, Any]:
        """Return the same for scripts."""
        return {
            'file': self.file,
            'images': self.images,
            'boxes': self.boxes,
            'problems': {kind: [*v] for kind, v in self.problems.items()},
            'notes': {kind: [*v] for kind, v in self.notes.items()},
        }

    def note_lines(self) -> list[str]:
        """Spell each kind of note on a line, with count and first ones."""
        return [f'{kind}: {some(found)}' for kind, found in self.notes.items()]

    def skipping(self, most: int) -> CocoFindings:
        """Note images that cannot be read, if training skips so many."""
        found = self.problems.get(UNREADABLE, ())
        if not 0 < len(found) <= most:
            return self
        problems = {k: v for k, v in self.problems.items() if k != UNREADABLE}
        notes = {_SKIPPED: found, **self.notes}
        return replace(self, problems=problems, notes=notes)

    @property
    def skipped(self) -> list[str]:
        """Images that training goes on without, a line each."""
        return list(self.notes.get(_SKIPPED, ()))

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
        names = ' '.join(self.fixes())
        fix = f'; repair --fixes {names} writes a corrected file'
        # the last line summarises all, as it is read first
        short = '; '.join(
            f'{kind}: {found[0]}'
            + (f' and {len(found) - 1} more' if len(found) > 1 else '')
            for kind, found in list(self.problems.items())[:_KINDS]
        )
        raise AnnotationError(
            f'{self.file}: expected clean boxes, got\n{text}\n'
            f'Correct {self.file} ({short}); mmcvgssl prepare check '
            f'lists all{fix if names else ""}.'
        )

    def fixes(self) -> list[str]:
        """Name what ``repair`` of the tool can put right, each once."""
        found = list(
            dict.fromkeys(
                name
                for kind, name in _FIXES.items()
                if any(
                    name != 'orientation' or 'EXIF' in line
                    for line in self.problems.get(kind, ())
                )
            )
        )
        # in another form, boxes lie outside for that alone
        if {'corners', 'shares'} & set(found) and 'clip' in found:
            found.remove('clip')
        return found
