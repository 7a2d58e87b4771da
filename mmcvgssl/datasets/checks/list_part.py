"""The part of a data set that a list of images names."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

from mmcvgssl.datasets.checks.data_part import DataPart, PartImage
from mmcvgssl.datasets.checks.finding import ERROR, WARNING, Finding
from mmcvgssl.datasets.files import ask_for_similar
from mmcvgssl.datasets.text_lists import classes_beside, read_listed
from mmcvgssl.utils import printable

_TRIED = 5  # missing images, for which the folders are searched


def list_part(
    name: str, file: Path, root: Path, encoding: str = ''
) -> DataPart:
    """Read a list of images, perhaps with a class index behind each path.

    Args:
        name: Name of the part.
        file: The list.
        root: Folder that its paths are relative to.
        encoding: Encoding of the list.

    Raises:
        FileNotFoundError: If none of its images is there.
        ValueError: If it is no list, or an empty one.
    """
    listed = read_listed(file, root, encoding)
    if not listed:
        raise ValueError(f'{file}: no images; expected one path a line')
    classes = classes_beside(file)
    part = DataPart(name, file)
    labels: dict[str, list[int | None]] = defaultdict(list)
    for path, index in listed:
        labels[os.path.normpath(path)].append(index)
    unknown = set()
    for path, indices in labels.items():
        label = None if indices[0] is None else str(indices[0])
        if classes is not None and indices[0] is not None:
            if indices[0] < len(classes):
                label = classes[indices[0]]
            else:
                unknown.add(f'{path} {indices[0]}')
        part.images.append(
            PartImage(path, os.path.abspath(root / path), label)
        )
    part.findings += _repeated(name, labels)
    if unknown:
        part.findings.append(
            Finding.of(
                'class-index',
                ERROR,
                f'{name}: indices of classes that classes.txt has not, which '
                f'names {len(classes or ())}',
                sorted(unknown),
            )
        )
    part.images, missing = present(part.images, file, root)
    part.findings += missing_finding(name, missing, root)
    return part


def present(
    images: list[PartImage], file: Path, root: Path
) -> tuple[list[PartImage], list[PartImage]]:
    """Divide images into those that are on disk and those that are not.

    Raises:
        FileNotFoundError: If none is.
    """
    here = [image for image in images if os.path.isfile(image.file)]
    there = {image.file for image in here}
    missing = [image for image in images if image.file not in there]
    if images and not here:
        first = missing[0].path
        raise FileNotFoundError(
            f'{file}: none of its {len(images)} images is there, such as '
            f'{printable(first)} in {root}; set --root to the folder that '
            'its paths are relative to'
        )
    return here, missing


def missing_finding(
    name: str, missing: list[PartImage], root: Path
) -> list[Finding]:
    """Report images that are not on disk."""
    if not missing:
        return []
    lines = []
    for number, image in enumerate(missing):
        meant = ask_for_similar(root, image.path) if number < _TRIED else ''
        lines.append(f'{image.path}{f"; {meant}" if meant else ""}')
    return [
        Finding.of(
            'missing',
            ERROR,
            f'{name}: images that are named, but are not in {root}',
            lines,
            'correct the names, or leave them out',
        )
    ]


def _repeated(name: str, labels: dict[str, list[int | None]]) -> list[Finding]:
    twice = {path: own for path, own in labels.items() if len(own) > 1}
    same = [path for path, own in twice.items() if len({*own}) == 1]
    other = [
        f'{path} ({" and ".join(map(str, dict.fromkeys(own)))})'
        for path, own in twice.items()
        if len({*own}) > 1
    ]
    found = []
    if other:
        found.append(
            Finding.of(
                'listed-twice',
                ERROR,
                f'{name}: images that are listed twice, of two classes',
                other,
                'leave the wrong line out',
            )
        )
    if same:
        found.append(
            Finding.of(
                'listed-twice',
                WARNING,
                f'{name}: images that are listed more than once',
                same,
                'list each once, or it counts more than others',
            )
        )
    return found
