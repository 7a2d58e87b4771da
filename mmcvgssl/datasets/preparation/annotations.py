"""The lists of images and classes that the configs read."""

from __future__ import annotations

from argparse import ArgumentParser
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.copies import notes_on_copies
from mmcvgssl.datasets.image_folders import OUT_FOLDER as OUT_FOLDER
from mmcvgssl.datasets.image_folders import images_below
from mmcvgssl.datasets.text_lists import CLASS_NAMES
from mmcvgssl.provenance import make_room
from mmcvgssl.utils import atomic_write, some

# of all preparations: lists of one draw are written together
LISTS = 'train.txt', 'train_unlabelled.txt', 'test.txt', CLASS_NAMES
# of some: a part of a set alone was not written by them
SETS = (
    ('unlabelled.txt', 'good.txt', 'anomaly.txt'),
    ('train.json', 'test.json'),
    ('train_05pct.txt', 'train_05pct.json'),
    ('train_10pct.txt', 'train_10pct.json'),
    ('detection_unlabelled.txt', 'defects_train.json', 'defects_test.json'),
)

# Path relative to the data root, with '/', and class index.
Item = tuple[str, int]


@dataclass(frozen=True)
class Prepared:
    """A data set's splits, as written.

    Args:
        data_root: Folder that the paths are relative to.
        out: Folder of the lists; None if a data set needs none.
        classes: Names, in the order of their indices.
        splits: Images and labels by name of the split.
        notes: Further notes for the user.
    """

    data_root: Path
    out: Path | None
    classes: Sequence[str]
    splits: Mapping[str, Sequence[Item]]
    notes: Sequence[str] = field(default=())

    def counts(self) -> str:
        """Count the images by class and split."""
        counts = [
            Counter(label for _, label in items)
            for items in self.splits.values()
        ]
        width = max(len(name) for name in (*self.classes, 'total'))
        rows = [('', list(self.splits))]
        for index, name in enumerate(self.classes):
            rows.append((name, [str(c[index]) for c in counts]))
        rows.append(('total', [str(c.total()) for c in counts]))
        column = max(8, *(len(name) + 2 for name in self.splits))
        lines = [
            name.ljust(width) + ''.join(cell.rjust(column) for cell in cells)
            for name, cells in rows
        ]
        return '\n'.join([*lines, *(f'note: {note}' for note in self.notes)])

    def summary(self) -> str:
        """Count the images and say where all is."""
        lines = [self.counts()]
        root = self.data_root.resolve()
        lines.append(f'data_root: {root}')
        use = f'use: --cfg-options data_root="{root}"'
        if self.out is not None:
            lines.append(f'lists: {self.out.resolve()}')
            use += f' split_dir="{self.out.resolve()}"'
        return '\n'.join([*lines, use])

    def as_dict(self) -> dict[str, Any]:
        """Return the same for scripts."""
        images = {}
        for split, items in self.splits.items():
            counts = Counter(label for _, label in items)
            images[split] = {
                name: counts[index] for index, name in enumerate(self.classes)
            }
        return {
            'data_root': self.data_root.resolve(),
            'lists': None if self.out is None else self.out.resolve(),
            'images': images,
            'notes': self.notes,
        }


class Summary(Protocol):
    """Summary that a subcommand prints at its end."""

    def summary(self) -> str:
        """Return the text."""
        ...

    def as_dict(self) -> dict[str, Any]:
        """Return the same for scripts."""
        ...


@dataclass(frozen=True)
class Preparation:
    """A subcommand: its help, its options and what it does with them.

    Args:
        help: One line.
        add_arguments: Adds the options to a parser.
        run: Takes the options by name.
    """

    help: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[..., Summary]


def add_good_names(parser: ArgumentParser) -> None:
    """Let the user name the folders of good images."""
    parser.add_argument(
        '--good-names',
        nargs='+',
        default='auto',
        metavar='NAME',
        help='names of folders of good images (default: the usual ones, as '
        'good, ok, normal, pass)',
    )


def notes_of(contents: Contents) -> list[str]:
    """Say what was guessed, and what was left out."""
    left_out = [contents.left_out_text()] if contents.left_out else []
    return list(
        dict.fromkeys([*contents.notes, *contents.warnings, *left_out])
    )


def write_annotations(
    prepared: Prepared, more: Mapping[str, Sequence[str]] | None = None
) -> Prepared:
    """Write ``SPLIT.txt``, ``train_unlabelled.txt`` and ``classes.txt``.

    A line of a split is a path, a space and a class index, as mmpretrain's
    ``CustomDataset`` reads it; the path may hold spaces. Lists of another
    content, as of another seed, are moved to the folder ``earlier``, with
    all that were drawn with them.

    Args:
        prepared: Files to write, and their folder.
        more: Further lists by file name, one entry a line.

    Raises:
        OSError: If the folder cannot be written.
        ValueError: If there is no folder for the lists, or it is one of
            images.
    """
    if prepared.out is None:
        raise ValueError('Expected a folder for the lists, got none.')
    _refuse_images(prepared.data_root, prepared.out)
    files: dict[str, Sequence[str]] = {
        f'{name}.txt': [f'{path} {label}' for path, label in items]
        for name, items in prepared.splits.items()
    }
    files['train_unlabelled.txt'] = [p for p, _ in prepared.splits['train']]
    files[CLASS_NAMES] = prepared.classes
    files |= more or {}
    texts = {
        name: ''.join(f'{line}\n' for line in lines).encode()
        for name, lines in files.items()
    }
    out = prepared.out
    copies = notes_on_copies(prepared.data_root, prepared.splits)
    prepared = replace(prepared, notes=[*prepared.notes, *copies])
    try:
        sets = [s for s in SETS if all((out / n).is_file() for n in s)]
        beside = [*LISTS, *(name for names in sets for name in names)]
        make_room(out, texts, f'lists of images in {out}', beside)
        for name, text in texts.items():
            atomic_write(out / name, text)
    except OSError as error:
        raise OSError(
            f'Expected to write lists into {prepared.out}, but: {error}. '
            'Choose another folder with --out.'
        ) from error
    return prepared


def _refuse_images(root: Path, out: Path) -> None:
    """Refuse a folder of lists whose images would be passed over."""
    if root.resolve() not in out.resolve().parents or not out.is_dir():
        return
    images = images_below(out)
    if images:
        raise ValueError(
            f'{out} holds {some(images, "image")}, which would be left out as '
            'it is to be the folder of the lists: choose another by --out'
        )
