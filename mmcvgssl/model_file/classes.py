"""Names of classes in a model file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcvgssl.model_file.model_file import ModelFileError
from mmcvgssl.utils import spelled_alike


def is_name(text: str) -> bool:
    """Whether a class can have a name: letters that can be printed."""
    return bool(text.strip()) and text.isprintable()


def check_new(names: Sequence[str], known: Sequence[str]) -> None:
    """Refuse a new class whose name is that of another but for its spelling.

    Args:
        names: Names that images are given.
        known: Names of the classes that there are.

    Raises:
        ValueError: If there is one.
    """
    there = [*known]
    for name in names:
        if name in there:
            continue
        for other in there:
            if spelled_alike((other, name)):
                raise ValueError(
                    f'{name!a} and the class {other!a} differ by case, spaces '
                    f'or form of Unicode alone: spell it {other!a}, or choose '
                    'another name'
                )
        there.append(name)


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
