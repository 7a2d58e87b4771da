"""Boxes from a folder of maps and its images, in one call."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from mmcvgssl.apis.maps_to_boxes import MapsToBoxes
from mmcvgssl.maps import MapFolder
from mmcvgssl.maps.box_options import BoxOptions
from mmcvgssl.maps.mapped_images import find_mapped_images
from mmcvgssl.visualization.box_report import to_text

CUT = tuple(field.name for field in fields(BoxOptions))


def boxes_from_maps(
    maps: str | Path,
    images: str | Path,
    out: str | Path,
    root: str | Path | None = None,
    allow_missing: bool = False,
    encoding: str = '',
    preview: str | Path | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Cut boxes from maps, write them and report on them.

    Args:
        maps: Folder that :func:`make_maps` wrote.
        images: Folder of the images, or a list with a path a line.
        out: COCO file to write, see :class:`MapsToBoxes`.
        root: Folder that listed paths are relative to.
        allow_missing: See :func:`find_mapped_images`.
        encoding: Encoding of the list, see :func:`list_images`.
        preview: Folder for pictures of maps and boxes.
        **options: Options of :class:`BoxOptions` and of :class:`MapsToBoxes`.

    Returns:
        What ``report.json`` holds.

    Raises:
        FileNotFoundError: If maps or images are missing.
        MapError: If maps and images do not belong together.
        ValueError: If an option is out of range.

    Example:
        >>> import json
        >>> report = boxes_from_maps('maps', 'test_images', 'boxes.json')
        >>> report['images'], report['boxes']
        (4, 2)
        >>> coco = json.loads(Path('boxes.json').read_text())
        >>> coco['annotations'][0]['bbox']  # x, y, width, height
        [0, 0, 17, 17]
    """
    cut = {name: options.pop(name) for name in CUT if name in options}
    checked = BoxOptions(**cut)
    folder = MapFolder(maps)
    # results of an earlier run are not counted as images
    results = [preview, Path(out).with_name('report.png')]
    found = find_mapped_images(
        folder,
        images,
        root,
        allow_missing,
        [folder.path, *(Path(path) for path in results if path)],
        encoding,
    )
    job = MapsToBoxes(folder, found, out, checked, preview=preview, **options)
    return job.run()


def boxes_text(report: dict[str, Any], out: str | Path) -> str:
    """Return a summary of :func:`boxes_from_maps` for people.

    Example:
        >>> report = boxes_from_maps('maps', 'test_images', 'boxes.json')
        >>> boxes_text(report, 'boxes.json').splitlines()[-1]
        'boxes.json, report.json and report.png written'
    """
    return f'{to_text(report)}\n{out}, report.json and report.png written'
