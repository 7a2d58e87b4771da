"""The parts of a data set that a folder holds."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from mmcvgssl.datasets.checks.coco_part import coco_part
from mmcvgssl.datasets.checks.data_part import DataPart, PartImage
from mmcvgssl.datasets.checks.finding import (
    ERROR,
    NOTE,
    WARNING,
    Finding,
    of_contents,
)
from mmcvgssl.datasets.checks.list_part import list_part
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.files import folders_in
from mmcvgssl.datasets.image_folders import (
    EXTENSIONS,
    OUT_FOLDER,
    PART_NAMES,
    class_folders,
    images_below,
)
from mmcvgssl.datasets.layouts import (
    MaskBesideLayout,
    MvtecLayout,
    Sample,
    find_layout,
)
from mmcvgssl.datasets.layouts.good_names import AUTO, GoodNames
from mmcvgssl.datasets.layouts.mvtec import GROUND_TRUTH, category_folders

_LISTS = ('train', 'val', 'test')  # of mmcvgssl prepare


def folder_parts(
    name: str, folder: Path, encoding: str = '', labelled: bool = True
) -> list[DataPart]:
    """Find out how a folder is laid out, and read its parts.

    Args:
        name: Name of the set, before the names of its parts; may be empty.
        folder: The folder.
        encoding: Encoding of lists in it.
        labelled: Whether folders are classes.

    Raises:
        FileNotFoundError: If it has lists, but none of their images.
        OSError: If a folder cannot be read.
        ValueError: If there is no image.
    """
    parts = _listed(name, folder, encoding)
    if not parts and labelled and _is_mvtec(folder):
        parts = _mvtec(name, folder)
    if not parts:
        names = [n for n in folders_in(folder) if n.casefold() in PART_NAMES]
        parts = [
            _classes(_below(name, part), folder / part, labelled)
            for part in names
        ]
        if parts:
            parts[0].findings += _beside(name, folder, names)
        else:
            parts = [_classes(name or folder.name, folder, labelled)]
    if not any(part.images for part in parts):
        reasons = [f.summary() for part in parts for f in part.findings]
        raise ValueError(
            f'{folder}: no images; expected files ending in '
            f'{", ".join(EXTENSIONS)}'
            f'{" (" if reasons else ""}{"; ".join(reasons)}'
            f'{")" if reasons else ""}'
        )
    for part in parts:
        if not part.images:
            part.findings.append(
                Finding(
                    *('empty-part', ERROR, f'{part.name}: no images at all'),
                    advice='is it the right folder?',
                )
            )
    return parts


def _below(name: str, part: str) -> str:
    return f'{name}/{part}' if name else part


def _listed(name: str, folder: Path, encoding: str) -> list[DataPart]:
    """Read the lists, and the COCO files, of mmcvgssl prepare."""
    home = folder / OUT_FOLDER
    parts: list[DataPart] = []
    for part in _LISTS:
        whole = _below(name, part)
        file, boxes = home / f'{part}.txt', home / f'{part}.json'
        if file.is_file():
            parts.append(list_part(whole, file, folder, encoding))
        if boxes.is_file():
            parts.append(coco_part(whole, boxes, folder, file.is_file()))
    if parts:
        named = {image.file for part in parts for image in part.images}
        below = images_below(folder, [home])
        others = [
            path
            for path in below
            if os.path.abspath(folder / path) not in named
        ]
        if others:
            parts[0].findings.append(
                Finding.of(
                    'not-listed',
                    NOTE,
                    f'{folder}: images that no list of {home} names',
                    others,
                )
            )
    return parts


def _is_mvtec(folder: Path) -> bool:
    """Whether a tree is like MVTec AD's, and not one of class folders."""
    good = GoodNames()
    found = category_folders(folder, good)

    def sure(home: Path) -> bool:
        trained = folders_in(home / 'train') if 'train' in names(home) else []
        all_good = bool(trained) and all(part in good for part in trained)
        return GROUND_TRUTH in names(home) or all_good

    def names(home: Path) -> list[str]:
        return folders_in(home)

    return bool(found) and all(
        sure(folder / prefix) for prefix in found.values()
    )


def _mvtec(name: str, folder: Path) -> list[DataPart]:
    parts = []
    for split in ('train', 'test'):
        contents = Contents(str(folder))
        part = DataPart(_below(name, split), folder)
        try:
            layout = MvtecLayout(folder, AUTO, EXTENSIONS, contents=contents)
            samples = layout.walked(split)
        except ValueError as error:
            part.findings.append(_refused(part.name, error))
            parts.append(part)
            continue
        several = len(layout.categories) > 1
        for sample in samples:
            label = sample.defect
            if several:
                label = f'{sample.category}/{sample.defect}'
            part.images.append(_image(folder, sample.path, label))
        part.masks = (folder, samples) if split == 'test' else None
        part.findings += of_contents(
            contents.left_out, contents.warnings, part.name
        )
        parts.append(part)
    return parts


def _classes(name: str, folder: Path, labelled: bool) -> DataPart:
    """Read class folders, masks beside images among them, or images alone."""
    part, contents = DataPart(name, folder), Contents(str(folder))
    masks: dict[str, str] = {}
    try:
        layout = find_layout(
            AUTO if labelled else 'folder',
            *(folder, AUTO, EXTENSIONS, (), contents),
            ignore=[OUT_FOLDER],
        )
        paths = [*getattr(layout, 'files', [])]
        if isinstance(layout, MaskBesideLayout):
            masks = layout.masks
    except ValueError as error:
        part.findings.append(_refused(name, error))
        paths = []
    if not paths:
        contents = Contents(str(folder))
        paths = images_below(folder, [folder / OUT_FOLDER], contents=contents)
    level = _class_level(paths) if labelled else None
    for path in paths:
        own = PurePosixPath(path).parts[:-1]
        label = None
        if level is not None and len(own) > level:
            label = own[level]
        part.images.append(_image(folder, path, label))
    part.findings += of_contents(contents.left_out, contents.warnings, name)
    if level is not None:
        part.findings += _odd_classes(name, folder, part, level)
    if masks:
        samples = _samples(part, masks)
        part.masks = folder, samples
    return part


def _samples(part: DataPart, masks: dict[str, str]) -> list[Sample]:
    """Return images with their masks; classes with masks are defects."""
    good = GoodNames()
    defects = {image.label for image in part.images if image.path in masks} - {
        None
    }
    return [
        Sample(
            image.path,
            int(image.label in defects and str(image.label) not in good),
            mask=masks.get(image.path),
        )
        for image in part.images
    ]


def _class_level(paths: list[str]) -> int | None:
    """Return the level of folders that tells classes apart, if one does."""
    parents = [PurePosixPath(path).parts[:-1] for path in paths]
    level = 0
    while parents and all(len(own) > level for own in parents):
        if len({own[level] for own in parents}) > 1:
            return level
        level += 1
    # loose images beside class folders
    names = {own[level] for own in parents if len(own) > level}
    return level if len(names) > 1 else None


def _odd_classes(
    name: str, folder: Path, part: DataPart, level: int
) -> list[Finding]:
    found = []
    loose = [image.path for image in part.images if image.label is None]
    if loose:
        found.append(
            Finding.of(
                'no-class',
                WARNING,
                f'{name}: images in no class folder, beside some',
                loose,
                'move them into one, or leave them out',
            )
        )
    first = PurePosixPath(part.images[0].path).parts[:level]
    home = folder.joinpath(*first)
    try:
        empty = [n for n in class_folders(home) if n not in part.classes]
    except ValueError as error:
        return [*found, _refused(name, error)]
    if empty:
        found.append(
            Finding.of(
                'empty-class',
                WARNING,
                f'{name}: class folders without an image',
                empty,
                'remove them, or name the classes that are meant',
            )
        )
    return found


def _beside(name: str, folder: Path, parts: list[str]) -> list[Finding]:
    """Report images beside the folders of the parts."""
    below = images_below(folder, [folder / OUT_FOLDER])
    others = [p for p in below if PurePosixPath(p).parts[0] not in parts]
    if not others:
        return []
    return [
        Finding.of(
            'not-listed',
            WARNING,
            f'{name or folder.name}: images beside the folders '
            f'{", ".join(parts)}, which are of no part',
            others,
        )
    ]


def _image(folder: Path, path: str, label: str | None) -> PartImage:
    return PartImage(path, os.path.abspath(folder / path), label)


def _refused(name: str, error: ValueError) -> Finding:
    first = str(error).partition('\n')[0]
    return Finding('layout', ERROR, f'{name}: {first}')
