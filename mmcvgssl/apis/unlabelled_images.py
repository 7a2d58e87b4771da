"""Images without labels beside those of a few-shot evaluation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmcvgssl.apis.image_files import listed
from mmcvgssl.apis.prediction.find_images import find_images
from mmcvgssl.datasets import ImageList, SurfaceImages
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.copies import others_than
from mmcvgssl.evaluation.few_shot.features import paths_of
from mmcvgssl.registry import DATASETS
from mmcvgssl.utils import printable, some

_LEARNED, _TESTED = 'labelled', 'to be tested on'


def unlabelled_images(
    source: str | Path,
    train: SurfaceImages,
    test: SurfaceImages,
    steps: Sequence[dict[str, Any]],
) -> ImageList:
    """List images without labels; those of other sets are left out.

    Args:
        source: An image, a folder in any nesting, or a list, ``NAME.txt``.
        train: The labelled images.
        test: The images to test on. These and those of ``train`` are no
            images without labels, nor are copies of them; the log says which.
        steps: Transforms from a path to the input.

    Raises:
        FileNotFoundError: If there is no such folder or list, or a listed
            image is missing.
        TooManyUnreadableError: If more than a tenth cannot be read; fewer
            are left out and named.
        ValueError: If no image is left.
    """
    report = Contents(str(source))
    found = find_images(source, contents=report)
    missing = [str(path) for path in found if not path.is_file()]
    if missing:
        raise FileNotFoundError(
            f'{source}: {some(map(printable, missing), "image")} not found: '
            "list paths relative to the list's folder, or leave these out"
        )
    paths = [*dict.fromkeys(os.path.realpath(path) for path in found)]
    for reason, data_set in ((_TESTED, test), (_LEARNED, train)):
        left = others_than(paths_of(data_set), paths)
        report.leave_out(reason, *sorted({*paths} - {*left}))
        paths = left
    report.used = {'images without labels': len(paths)}
    if not paths:
        raise ValueError(
            f'{printable(str(source))}: no images without labels; '
            f'{report.left_out_text()}'
        )
    report.log()
    return DATASETS.build({**listed(paths, steps), 'verify': True})
