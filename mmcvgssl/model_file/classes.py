"""Names of classes in a model file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcvgssl.model_file.model_file import ModelFileError


def is_name(text: str) -> bool:
    """Whether a class can have a name: letters that can be printed."""
    return bool(text.strip()) and text.isprintable()


def check_names(classes: Sequence[str], count: Any, source: str) -> None:
    """Check that each class of a model has a name of its own.

    Args:
        classes: Names, by index.
        count: Number of classes of the model.
        source: The file, for messages.

    Raises:
        ModelFileError: If not.
    """
    if len(classes) != count:
        raise ModelFileError(
            f'{source}: expected a name for each of {count!r:.20} classes, '
            f'got {len(classes)}; write the file anew'
        )
    if not all(map(is_name, classes)) or len({*classes}) != len(classes):
        raise ModelFileError(
            f'{source}: expected names of classes that differ, in letters '
            f'that can be printed, got {list(classes)!a:.200}; correct '
            'metainfo=dict(classes=...) of the data set, and write the file '
            'anew'
        )
