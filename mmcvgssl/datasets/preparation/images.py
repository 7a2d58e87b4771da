"""Finding the images of a data set, as the data sets do."""

from __future__ import annotations

from pathlib import Path

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.image_folders import (
    check_root,
    images_below,
    layout_error,
)

__all__ = ['check_root', 'images_below', 'images_besides', 'layout_error']


def images_besides(root: Path, out: Path, contents: Contents) -> list[str]:
    """List the images in a folder, see :func:`images_below`.

    Args:
        root: The folder.
        out: Folder of the lists; what is in it is passed over, unless the
            images are in it, too.
        contents: Collects what is left out.
    """
    inside = root.resolve() in out.resolve().parents
    return images_below(root, [out] if inside else [], contents=contents)
