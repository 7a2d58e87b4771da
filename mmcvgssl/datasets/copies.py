"""Images of the same content under several names."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmcvgssl.provenance import FileTable
from mmcvgssl.utils import printable, some


def notes_on_copies(
    root: str | Path, splits: Mapping[str, Sequence[tuple[str, int]]]
) -> list[str]:
    """Return notes on copies in training and test, or of two classes.

    Args:
        root: Folder that the paths are relative to.
        splits: Paths and class indices by name of the split; ``train`` and
            ``test`` are compared.

    Raises:
        OSError: If one cannot be read.
    """
    splits_and_labels = {
        path: (split, label)
        for split in ('train', 'test')
        for path, label in splits.get(split, ())
    }
    classes, parts = [], []
    for paths in same_content(root, list(splits_and_labels)):
        for path in paths[1:]:
            pair = f'{printable(path)} = {printable(paths[0])}'
            if splits_and_labels[path][1] != splits_and_labels[paths[0]][1]:
                classes.append(pair)
            elif splits_and_labels[path][0] != splits_and_labels[paths[0]][0]:
                parts.append(pair)
    notes = []
    if classes:
        notes.append(
            f'{some(classes, "image")} of another class have the very same '
            'content: which class is right? Remove the others'
        )
    if parts:
        notes.append(
            f'{some(parts, "image")} to test on have the very content of '
            'training images: figures are too high; remove the copies'
        )
    return notes


def copies_of(
    root: str | Path, known: Sequence[str], paths: Sequence[str]
) -> list[str]:
    """Return which images have the content of a known one of another name.

    Args:
        root: Folder that the paths are relative to.
        known: Paths of the known ones; those that are missing have none.
        paths: Paths of the images.

    Raises:
        OSError: If one cannot be read.
    """
    here = [p for p in known if os.path.isfile(os.path.join(root, p))]
    own = {*paths} - {*here}
    return [
        path
        for same in same_content(root, [*here, *sorted(own)])
        if not own.issuperset(same)
        for path in same
        if path in own
    ]


def others_than(
    known: Sequence[str], paths: Sequence[str], root: str | Path = ''
) -> list[str]:
    """Return the images that are neither known ones nor copies of them.

    Args:
        known: Paths of the known ones; those that are missing have no copy.
        paths: Paths of the images.
        root: Folder that the paths are relative to.

    Raises:
        OSError: If one cannot be read.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     names = [f'{folder}/{name}' for name in 'abc']
        ...     for name, text in zip(names, ('1', '1', '2'), strict=True):
        ...         size = Path(name).write_text(text)
        ...     others_than(names[:1], names) == names[2:]
        True
    """

    def real(path: str) -> str:
        return os.path.realpath(os.path.join(root, path))

    given = {real(path) for path in known}
    others = [path for path in paths if real(path) not in given]
    copies = {*copies_of(root, known, others)}
    return [path for path in others if path not in copies]


def refuse_tested(
    learned: Sequence[str], tested: Sequence[str], root: str | Path, what: str
) -> None:
    """Refuse to learn from images that are tested on, or copies of them.

    Args:
        learned: Paths of the images to learn from.
        tested: Paths of the images to test on.
        root: Folder that the paths are relative to.
        what: The images to learn from, for the message.

    Raises:
        OSError: If one cannot be read.
        ValueError: If there are some.
    """
    fine = {*others_than(tested, learned, root)}
    both = [path for path in learned if path not in fine]
    if both:
        raise ValueError(
            f'{some(map(printable, both), "image")} of {len(learned)} '
            f'{what} are tested on, too, or are copies of such: nothing is '
            'tested on what was learned; take them out of one side'
        )


def kept_together(
    root: str | Path, paths: Sequence[str], sides: Sequence[int]
) -> list[int]:
    """Move images of the same content to the side of the first of them.

    Args:
        root: Folder that the paths are relative to.
        paths: The images; those that are missing stay where they are.
        sides: Side of each, such as the number of its fold.

    Raises:
        OSError: If one cannot be read.
    """
    index = {path: i for i, path in enumerate(paths)}
    found = [*sides]
    here = [path for path in index if os.path.isfile(os.path.join(root, path))]
    for same in same_content(root, here):
        for path in same:
            found[index[path]] = sides[index[same[0]]]
    return found


def same_content(root: str | Path, paths: Sequence[str]) -> list[list[str]]:
    """Group files of the same content, in order; single ones are left out."""
    sizes = defaultdict(list)
    for path in paths:
        sizes[os.stat(os.path.join(root, path)).st_size].append(path)
    sizes.pop(0, None)  # no images
    alike = [path for same in sizes.values() if len(same) > 1 for path in same]
    contents = defaultdict(list)
    for path, state in FileTable.of(root, alike).items():
        contents[state.digest].append(path)
    return [same for same in contents.values() if len(same) > 1]
