"""Files of a choice: the list, a contact sheet, tasks of labelling tools."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2

from mmcvgssl.datasets.coco_file import FROM_MAPS
from mmcvgssl.datasets.reading import read_image
from mmcvgssl.maps.box_files import ImageBoxes, Outputs, to_coco
from mmcvgssl.maps.label_studio import label_studio_config, to_label_studio
from mmcvgssl.provenance import make_room
from mmcvgssl.visualization.contact_sheet import contact_sheet

LIST, RECORD, SHEET = 'selected.txt', 'selection.json', 'contact_sheet.png'
TASKS, INTERFACE = 'label_studio.json', 'label_studio.xml'
COCO = 'cvat_coco.json'
_SIDE = 160  # pixels, of a picture on the sheet


def write_selection(
    out: Path,
    images: Sequence[ImageBoxes],
    record: dict[str, Any],
    root: Path,
    reading: Mapping[str, Any],
    classes: Sequence[str],
    address: str,
    boxed: bool,
) -> list[str]:
    """Write all files of a choice; files of another one move to ``earlier``.

    Args:
        out: Folder.
        images: Chosen images in the order of worth, with boxes from maps.
        record: What ``selection.json`` holds.
        root: Folder of the images.
        reading: Options of :func:`read_image`.
        classes: Names for the labelling tools.
        address: Start of addresses of images in Label Studio.
        boxed: Whether there are boxes from maps.

    Returns:
        Paths of the files.

    Raises:
        OSError: If a file cannot be written, saying which ones were.
    """
    files = {
        LIST: ''.join(f'{image.path}\n' for image in images).encode(),
        TASKS: _json(to_label_studio(images, address)),
        INTERFACE: label_studio_config(classes).encode(),
        COCO: _json(_skeleton(images, classes, boxed)),
        SHEET: _sheet(images, root, reading),
        # written last: if it exists, all files exist
        RECORD: _json(record),
    }
    make_room(out, files, f'the images chosen in {out}')
    outputs = Outputs()
    for name, data in files.items():
        outputs.write(out / name, data)
    return outputs.written


def _json(value: Any) -> bytes:
    return f'{json.dumps(value, indent=1)}\n'.encode()


def _skeleton(
    images: Sequence[ImageBoxes], classes: Sequence[str], boxed: bool
) -> dict[str, Any]:
    """Return a COCO file of the images, with the boxes there are."""
    text = FROM_MAPS if boxed else 'images chosen to be labelled'
    coco = to_coco(images, {'description': text})
    names = [c['name'] for c in coco['categories']]
    if not boxed and classes:
        coco['categories'], names = [], []
    for name in classes:
        if name not in names:
            names.append(name)
            coco['categories'].append({'id': len(names), 'name': name})
    return coco


def _sheet(
    images: Sequence[ImageBoxes], root: Path, reading: Mapping[str, Any]
) -> bytes:
    pictures = (
        read_image(str(root / image.path), input_size=_SIDE, **reading)
        for image in images
    )
    return cv2.imencode('.png', contact_sheet(pictures, _SIDE))[1].tobytes()
