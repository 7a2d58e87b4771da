"""The parts of data sets, as their users name them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from mmcvgssl.datasets.checks.coco_part import coco_part
from mmcvgssl.datasets.checks.data_part import DataPart
from mmcvgssl.datasets.checks.folder_parts import folder_parts
from mmcvgssl.datasets.checks.list_part import list_part


def find_parts(
    sets: Mapping[str, str | Path],
    root: str | Path | None = None,
    encoding: str = '',
    labelled: bool = True,
) -> list[DataPart]:
    """Read what sets hold, without opening images.

    Args:
        sets: Folders, lists (``NAME.txt``) or COCO files (``NAME.json``) by
            name. A folder may hold the lists of mmcvgssl prepare, folders
            named ``train`` and ``test``, a tree like MVTec AD's, class
            folders, masks beside images, or images alone; its parts are
            named after its name, if that is not empty.
        root: Folder that listed paths, and names of COCO files, are relative
            to; by default that of the list or file.
        encoding: Encoding of lists.
        labelled: Whether folders are classes.

    Raises:
        FileNotFoundError: If a set, or each image of one, is missing.
        ValueError: If a set is given twice, has no image, or is no list or
            COCO file.
    """
    _refuse_twice(sets)
    if root is not None and not Path(root).is_dir():
        raise FileNotFoundError(f'--root: no folder {root}')
    found: list[DataPart] = []
    for name, given in sets.items():
        path = Path(given)
        if path.is_dir():
            found += folder_parts(name, path, encoding, labelled)
        elif not path.is_file():
            raise FileNotFoundError(
                'expected a folder, a list of images (NAME.txt) or a COCO '
                f'file (NAME.json), found no {path}'
            )
        elif path.suffix.lower() == '.json':
            found.append(coco_part(name or path.stem, path, root))
        elif path.suffix.lower() == '.txt':
            home = Path(root or path.parent)
            found.append(list_part(name or path.stem, path, home, encoding))
        else:
            raise ValueError(
                f'{path}: expected a folder, a list of images (NAME.txt) or '
                'a COCO file (NAME.json): name the folder that it lies in'
            )
    return found


def _refuse_twice(sets: Mapping[str, str | Path]) -> None:
    seen: dict[str, str] = {}
    for name, path in sets.items():
        other = seen.setdefault(os.path.realpath(path), name)
        if other != name:
            raise ValueError(
                f'expected each set once, got {path} as {other} and as '
                f'{name}: all of it would be copies; leave one out'
            )
