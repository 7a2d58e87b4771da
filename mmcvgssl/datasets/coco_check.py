"""Checks of a COCO file of boxes, with all problems at once."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmcvgssl.datasets.coco_boxes import (
    box_notes,
    box_problems,
    form_of,
    image_size,
    plain_box,
)
from mmcvgssl.datasets.coco_file import (
    FROM_MAPS,
    AnnotationError,
    is_id,
    number,
    read_coco,
    shown,
)
from mmcvgssl.datasets.coco_findings import CocoFindings
from mmcvgssl.datasets.coco_images import look_at_images
from mmcvgssl.utils import folded, printable

__all__ = ['AnnotationError', 'CocoFindings', 'check_classes', 'check_coco']

_KEYS = {
    'images': ('id', 'file_name'),
    'annotations': ('id', 'image_id', 'category_id', 'bbox'),
    'categories': ('id', 'name'),
}


def check_coco(
    file: str | Path,
    images: str | Path | None = None,
    classes: Sequence[str] | None = None,
    look: str = 'names',
    testing: bool = False,
    reading: Mapping[str, Any] | None = None,
) -> CocoFindings:
    """Check a COCO file for problems of a detector's training.

    Args:
        file: The COCO file.
        images: Folder that ``file_name`` is relative to; None: images are
            not looked for.
        classes: Names that a config lists; None: those of the file.
        look: Whether images are opened, too: ``'names'``, ``'sizes'`` for
            their headers, ``'pixels'`` for all of them.
        testing: Whether it is tested on, so that good images alone will do.
        reading: How images are opened: ``page`` and ``max_pixels`` of
            :func:`read_image`; other settings of ``LoadImage`` play no part.

    Raises:
        FileNotFoundError: If the file is missing.
        AnnotationError: If it is no COCO file, or ``classes`` is no list.
    """
    file = Path(file)
    check_classes(classes)
    content = read_coco(file)
    check = _Check(content, classes)
    return check.run(file, images, look, testing, reading or {})


def check_classes(classes: Any) -> None:
    """Refuse class names that are not a list of words.

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


class _Check:
    """The check of one file."""

    def __init__(
        self, content: Mapping[str, Any], classes: Sequence[str] | None
    ) -> None:
        self.content, self.classes = content, classes
        self.problems: dict[str, list[str]] = {}
        self.notes: dict[str, list[str]] = {}
        self.entries = {part: self._sound(part) for part in _KEYS}
        self.images = {i['id']: i for i in self.entries['images']}
        self.names = {c['id']: c['name'] for c in self.entries['categories']}

    def run(
        self,
        file: Path,
        images: str | Path | None,
        look: str,
        testing: bool,
        reading: Mapping[str, Any],
    ) -> CocoFindings:
        self._categories()
        folder = None if images is None else Path(images)
        self._images(folder, look, reading)
        self._boxes()
        self._crowds()
        if not self.content['annotations']:
            self._no_boxes(testing)
        counts = Counter(
            self.names[a['category_id']]
            for a in self.entries['annotations']
            if is_id(a['category_id']) and a['category_id'] in self.names
        )
        boxes = {name: counts[name] for name in self.names.values()}
        empty = [printable(name) for name, n in boxes.items() if not n]
        if empty and counts and not testing:
            self.notes['categories without a box'] = empty
        return CocoFindings(
            *(file, len(self.images), boxes),
            *(self.problems, self.notes, self.content),
        )

    def _problem(self, kind: str, line: str) -> None:
        self.problems.setdefault(kind, []).append(line)

    def _note(self, kind: str, line: str) -> None:
        self.notes.setdefault(kind, []).append(line)

    def _sound(self, part: str) -> list[Mapping[str, Any]]:
        """Return the entries whose keys and id are as COCO has them."""
        sound: list[Mapping[str, Any]] = []
        for index, entry in enumerate(self.content[part]):
            where = f'entry {index} of {part}'
            if not isinstance(entry, dict):
                self._problem(
                    f'{part} that are no objects', f'{where}: {shown(entry)}'
                )
                continue
            lacking = [key for key in _KEYS[part] if key not in entry]
            for key in lacking:
                self._problem(f'{part} without the key {key}', where)
            if lacking:
                continue
            if not is_id(entry['id']):
                self._problem(
                    f'ids that are no whole numbers in {part}',
                    f'{where}: {shown(entry["id"])}',
                )
                continue
            text = {'images': 'file_name', 'categories': 'name'}.get(part)
            if text and not _is_word(entry[text]):
                self._problem(
                    f'{text}s that are no text',
                    f'{where}: {shown(entry[text])}',
                )
                continue
            sound.append(entry)
        for key in _repeated(entry['id'] for entry in sound):
            self._problem(f'ids that stand twice in {part}', f'id {key}')
        return sound

    def _categories(self) -> None:
        names, classes = list(self.names.values()), self.classes or ()
        for name in _repeated(names):
            self._problem(
                'names of categories that stand twice', printable(name)
            )
        alike: dict[str, str] = {}
        for name in names:
            other = alike.setdefault(folded(name).strip(), name)
            if other != name:
                self._note(
                    'names of categories that differ by case, spaces or form '
                    'of Unicode alone',
                    f'{other!a} and {name!a}',
                )
        categories = ', '.join(map(repr, names))
        for name in classes:
            if name not in names:
                self._problem(
                    'classes of the config that the file has not',
                    f'{name!r}; it has {categories}',
                )
        for name in _repeated(classes):
            self._problem('classes that the config lists twice', repr(name))
        # detectors count classes in the file's order, whatever the config's
        listed = [name for name in names if name in classes]
        if set(listed) == set(classes) and listed != list(classes):
            self._problem(
                'classes in another order',
                f'the file has {tuple(listed)}: list them so in the config',
            )

    def _images(
        self, folder: Path | None, look: str, reading: Mapping[str, Any]
    ) -> None:
        entries = self.entries['images']
        for name in _repeated(
            os.path.normpath(image['file_name']) for image in entries
        ):
            self._problem('images that stand twice', printable(name))
        for image in entries:
            line = f'image {image["id"]}: {printable(image["file_name"])}'
            if 'width' not in image or 'height' not in image:
                self._problem('images without width and height', line)
            elif image_size(image) is None:
                stated = shown(image['width']), shown(image['height'])
                self._problem(
                    'widths and heights that are no whole numbers above 0',
                    f'{line}, {stated[0]} x {stated[1]}',
                )
        if folder is None:
            return
        for image, found in look_at_images(entries, folder, look, reading):
            say = self._note if found.sound else self._problem
            say(found.kind, f'image {image["id"]}: {found.line}')

    def _boxes(self) -> None:
        clean = []
        seen: dict[tuple, Mapping[str, Any]] = {}
        for entry in self.entries['annotations']:
            where = f'annotation {entry["id"]}'
            found = list(
                box_problems(entry, self.images, self.names, self.classes)
            )
            for kind, line in found:
                self._problem(kind, f'{where}: {line}')
            box, key = plain_box(entry['bbox']), entry['image_id']
            image = self.images.get(key) if is_id(key) else None
            size = image_size(image)
            if box is not None and size is not None:
                clean.append((box, size, number(entry.get('area'))))
            if not found:
                for kind, line in box_notes(entry, self.images):
                    self._note(kind, f'{where}: {line}')
                first = seen.setdefault((key, box), entry)
                if first is not entry:
                    self._note(*_twice(first, entry))
        form = form_of(clean)
        if form is not None:
            certain, kind, line = form
            (self._problem if certain else self._note)(kind, line)

    def _crowds(self) -> None:
        entries = [
            entry
            for entry in self.entries['annotations']
            if is_id(entry['category_id'])
            and entry['category_id'] in self.names
        ]
        crowds = [
            entry
            for entry in entries
            if 1 in (entry.get('iscrowd'), entry.get('ignore'))
        ]
        advice = (
            'detectors learn nothing from iscrowd=1, which CVAT writes for '
            'painted masks, nor from ignore=1: set it to 0 where a box is one '
            'defect'
        )
        if crowds and 2 * len(crowds) >= len(entries):
            self._problem(
                'boxes that are crowds, or to be ignored',
                f'{len(crowds)} of {len(entries)}: {advice}',
            )
            return
        whole = Counter(entry['category_id'] for entry in entries)
        for key, n in Counter(c['category_id'] for c in crowds).items():
            name = printable(self.names[key])
            if n == whole[key]:
                self._problem(
                    'classes whose boxes are all crowds, or to be ignored',
                    f'{name}, {n} boxes: {advice}',
                )

    def _no_boxes(self, testing: bool) -> None:
        kind = 'no boxes at all'
        info = self.content.get('info')
        if testing:
            self._note(
                kind,
                'in a test false alarms are counted, and average precision is '
                'undefined',
            )
        elif isinstance(info, dict) and info.get('description') == FROM_MAPS:
            self._problem(
                kind,
                'raise --margin of mmcvgssl boxes or lower its --threshold',
            )
        else:
            self._problem(
                kind,
                'a detector learns nothing from good images alone; to test on '
                'them, name the file as ann_file of test_dataloader '
                '(prepare_data.py check --testing)',
            )


def _twice(
    first: Mapping[str, Any], other: Mapping[str, Any]
) -> tuple[str, str]:
    kind = 'boxes that stand twice'
    if first['category_id'] != other['category_id']:
        kind = 'boxes of two categories'
    return kind, f'annotations {first["id"]} and {other["id"]}'


def _is_word(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _repeated(keys: Iterable[Any]) -> Iterator[Any]:
    return (key for key, count in Counter(keys).items() if count > 1)
