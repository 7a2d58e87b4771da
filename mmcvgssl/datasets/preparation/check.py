"""Boxes in a COCO file, looked at without training."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from mmcvgssl.datasets.coco_check import CocoCheck, check_coco
from mmcvgssl.datasets.preparation.annotations import Preparation


def check_boxes(
    file: str | Path,
    images: str | Path | None = None,
    classes: Sequence[str] | None = None,
) -> CocoCheck:
    """Check a COCO file and the images that it names.

    Args:
        file: The COCO file.
        images: Folder of the images; by default the file's.
        classes: Names that a config lists.

    Raises:
        FileNotFoundError: If the file is missing.
        AnnotationError: Names everything that is wrong.
    """
    folder = Path(images) if images else Path(file).parent
    found = check_coco(file, folder, classes, sizes=True)
    found.raise_problems(most=None)
    return found


def add_arguments(parser: ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('file', help='COCO file of boxes')
    parser.add_argument(
        '--images', help='folder of the images (default: that of the file)'
    )
    parser.add_argument(
        '--classes', nargs='+', help='names of classes that a config lists'
    )


PREPARATION = Preparation(
    help='boxes in a COCO file: list all that is wrong with them',
    add_arguments=add_arguments,
    run=check_boxes,
)
