"""Dividing images into training and test."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.preparation.annotations import OUT_FOLDER, Item
from mmcvgssl.datasets.text_lists import add_encoding, read_lines

IN_NO_LIST = 'in no fixed list'
SPLITS = ('train', 'test')


def add_split_arguments(parser: ArgumentParser, fixed: bool = False) -> None:
    """Add the options of a data set in a folder.

    Args:
        parser: Parser of the subcommand.
        fixed: Whether the data set may come with fixed splits.
    """
    parser.add_argument('root', help='folder of the data set')
    parser.add_argument(
        '--out', help=f'folder of the lists (default: ROOT/{OUT_FOLDER})'
    )
    if fixed:
        add_encoding(parser)
        parser.add_argument(
            '--splits',
            help='folder of a fixed train.txt and test.txt, each line a path '
            'and a class index, separated by a tab (default: ROOT, if there)',
        )
    parser.add_argument(
        '--test-fraction',
        type=float,
        default=0.5,
        help='share of each class in the test split, where none is fixed',
    )
    parser.add_argument('--seed', type=int, default=0)


def stratified_split(
    strata: Sequence[Hashable], test_fraction: float = 0.5, seed: int = 0
) -> tuple[list[int], list[int]]:
    """Draw a share of each stratum, at random but fixed by the seed.

    Each side gets at least one of a stratum of two and more; a single one is
    for training.

    Args:
        strata: Group of each sample, such as its class.
        test_fraction: Share to test on, in (0, 1).
        seed: Seed of the draw.

    Returns:
        Indices for training and for testing, in ascending order.

    Raises:
        ValueError: If the fraction is out of range.
    """
    if not 0 < test_fraction < 1:
        raise ValueError(
            f'Expected a test fraction between 0 and 1, got {test_fraction}.'
        )
    random = np.random.RandomState(seed)
    test: set[int] = set()
    for stratum in dict.fromkeys(strata):
        members = [i for i, own in enumerate(strata) if own == stratum]
        count = int(test_fraction * len(members) + 0.5)
        count = min(max(count, 1), len(members) - 1)
        test.update(
            members[i] for i in random.permutation(len(members))[:count]
        )
    return [i for i in range(len(strata)) if i not in test], sorted(test)


def draw_splits(
    labels: Mapping[str, int],
    strata: Iterable[Hashable],
    test_fraction: float,
    seed: int,
) -> dict[str, list[Item]]:
    """Divide labelled images by stratum, one for each image."""
    items = list(labels.items())
    sides = stratified_split(list(strata), test_fraction, seed)
    return {
        name: [items[i] for i in side]
        for name, side in zip(SPLITS, sides, strict=True)
    }


def split_or_fixed(
    root: Path,
    out: Path,
    labels: Mapping[str, int],
    splits: str | Path | None,
    test_fraction: float,
    seed: int,
    encoding: str = '',
    contents: Contents | None = None,
) -> dict[str, list[Item]]:
    """Divide labelled images as the fixed lists say, else by class.

    Args:
        root: Folder of the data set.
        out: Folder of the lists to write.
        labels: Class index of each image, by path.
        splits: Folder of the fixed lists; by default ``root``, if there.
        test_fraction: Share of each class to test on, where no split is
            fixed.
        seed: Seed of the draw, where no split is fixed.
        encoding: Encoding of the fixed lists.
        contents: Collects the images that are in no fixed list.

    Raises:
        FileNotFoundError: If a fixed list or an image of it is missing.
        ValueError: If a list is wrong or would be overwritten.
    """
    folder = root if splits is None else Path(splits)
    there = [(folder / f'{name}.txt').is_file() for name in SPLITS]
    if splits is not None or any(there):
        if folder.resolve() == out.resolve():
            raise ValueError(
                f'The lists would overwrite the fixed split in {folder}. '
                'Choose another folder with --out.'
            )
        fixed = fixed_splits(folder, labels, encoding)
        if contents is not None:
            listed = {path for items in fixed.values() for path, _ in items}
            others = [path for path in labels if path not in listed]
            contents.leave_out(IN_NO_LIST, *others)
        return fixed
    return draw_splits(labels, labels.values(), test_fraction, seed)


def fixed_splits(
    folder: Path, labels: Mapping[str, int], encoding: str = ''
) -> dict[str, list[Item]]:
    r"""Read ``train.txt`` and ``test.txt`` of lines ``path\tclass_index``.

    Args:
        folder: Where they are.
        labels: Class index of each image that there is, by path.
        encoding: Encoding of the lists, see
            :func:`mmcvgssl.datasets.text_lists.read_text`.

    Raises:
        FileNotFoundError: If one of them, or an image, is missing.
        ValueError: If a line is malformed, repeated or of another class.
    """
    seen: dict[str, str] = {}
    for name in SPLITS:
        if not (folder / f'{name}.txt').is_file():
            raise FileNotFoundError(
                f'Expected fixed splits train.txt and test.txt in {folder}, '
                f'found no {name}.txt. Add it, or remove the other one to '
                'draw a split.'
            )
    return {
        name: read_fixed(folder / f'{name}.txt', labels, seen, encoding)
        for name in SPLITS
    }


def read_fixed(
    file: Path,
    labels: Mapping[str, int],
    seen: dict[str, str],
    encoding: str = '',
) -> list[Item]:
    r"""Read one list of lines ``path\tclass_index``.

    Args:
        file: The list.
        labels: Class index of each image that there is, by path.
        seen: Where images have stood so far; those of the list are added.
        encoding: Encoding of the list.

    Raises:
        FileNotFoundError: If an image is missing.
        ValueError: If a line is malformed, repeated or of another class.
    """
    items = []
    for where, line in read_lines(file, encoding):
        path, tab, index = line.rpartition('\t')
        if not tab or not index.strip().isdecimal():
            raise ValueError(
                f'{where}: expected path, tab and class index, got {line!r}.'
            )
        if path not in labels:
            raise FileNotFoundError(
                f'{where}: expected an image of the data set, found no '
                f'{path}. Check ROOT, or leave --splits out.'
            )
        if labels[path] != int(index):
            raise ValueError(
                f'{where}: expected class {labels[path]} of {path}, got '
                f'{index}; classes count from 0 in alphabetical order.'
            )
        if path in seen:
            raise ValueError(
                f'{where}: {path} stands in {seen[path]} too; list each '
                'image once.'
            )
        seen[path] = where
        items.append((path, labels[path]))
    return items
