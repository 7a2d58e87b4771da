"""ELPV: electroluminescence images of solar cells, from their package."""

from __future__ import annotations

import importlib.util
from argparse import ArgumentParser
from pathlib import Path

from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.image_folders import first_folder
from mmcvgssl.datasets.preparation.annotations import (
    Preparation,
    Prepared,
    notes_of,
    write_annotations,
)
from mmcvgssl.datasets.preparation.images import images_besides
from mmcvgssl.datasets.preparation.splits import draw_splits
from mmcvgssl.datasets.text_lists import read_lines

PACKAGE = 'elpv_dataset'
LABELS = 'labels.csv'
BINARY = ('defective', 'functional')
# Percentages of a third each, so that names sort by probability.
FOUR = ('defect_000', 'defect_033', 'defect_067', 'defect_100')


def prepare_elpv(
    out: str | Path,
    root: str | Path | None = None,
    labels: str = 'binary',
    threshold: float | None = None,
    test_fraction: float = 0.5,
    seed: int = 0,
) -> Prepared:
    """Write the lists of ELPV; its images stay in the package.

    Source: https://github.com/zae-bayern/elpv-dataset (non-commercial). The
    split is stratified by class and cell type. ``unlabelled.txt`` lists
    besides the training images those left out as uncertain.

    Args:
        out: Folder of the lists.
        root: Folder of ``labels.csv``, or the package, or where the package
            is installed; by default the installed package.
        labels: ``binary``: defective and functional; ``four``: the four
            probabilities of a defect.
        threshold: Probability in (0, 1] from which a cell is defective. By
            default only the certain ones, 0 and 1, are used.
        test_fraction: Share of each class and cell type to test on.
        seed: Seed of the draw.

    Raises:
        ModuleNotFoundError: If there is no ``root`` and no package.
        FileNotFoundError: If a file is missing.
        ValueError: If an option or ``labels.csv`` is wrong.
    """
    if labels not in ('binary', 'four'):
        raise ValueError(f'Expected labels binary or four, got {labels!r}.')
    if threshold is not None and labels == 'four':
        raise ValueError('A threshold divides two classes; leave it out.')
    if threshold is not None and not 0 < threshold <= 1:
        raise ValueError(
            f'Expected a threshold above 0 and up to 1, got {threshold}.'
        )
    data = find_elpv(root)
    used: dict[str, int] = {}
    strata, uncertain = [], []
    rows = read_labels(data)
    for path, probability, cell in rows:
        label = round(probability * 3)
        if labels == 'binary':
            bound = 1 if threshold is None else threshold
            if threshold is None and 0 < label < 3:
                uncertain.append(path)
                continue
            label = BINARY.index(
                'defective' if probability >= bound else 'functional'
            )
        used[path] = label
        strata.append((label, cell))
    splits = draw_splits(used, strata, test_fraction, seed)
    notes = notes_of(_contents(data, Path(out), {row[0] for row in rows}))
    if uncertain:
        notes.append(
            f'{len(uncertain)} images of an uncertain defect are in '
            'unlabelled.txt only; --threshold labels them'
        )
    classes = BINARY if labels == 'binary' else FOUR
    unlabelled = sorted([p for p, _ in splits['train']] + uncertain)
    return write_annotations(
        Prepared(data, Path(out), classes, splits, notes),
        {'unlabelled.txt': unlabelled},
    )


def find_elpv(root: str | Path | None = None) -> Path:
    """Return the folder that holds ``labels.csv``.

    Raises:
        ModuleNotFoundError: If there is no ``root`` and no package.
        FileNotFoundError: If there is none in ``root``.
    """
    if root is None:
        spec = importlib.util.find_spec(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise ModuleNotFoundError(
                f'Expected the package {PACKAGE}, found none installed. Run '
                '`pip install elpv-dataset`, or pass --root DIR.',
                name=PACKAGE,
            )
        root = spec.submodule_search_locations[0]
    for inner in ('.', 'data', f'{PACKAGE}/data', f'src/{PACKAGE}/data'):
        folder = Path(root, inner)
        if (folder / LABELS).is_file():
            return folder
    raise FileNotFoundError(
        f'Expected {LABELS} of ELPV in {root} or its data folder, found '
        'none. Pass the folder that holds it by --root.'
    )


def read_labels(data: Path) -> list[tuple[str, float, str]]:
    """Read path, probability of a defect and cell type of each image.

    Raises:
        FileNotFoundError: If an image is missing.
        ValueError: If a line is malformed, or an image listed twice.
    """
    rows = []
    seen: dict[str, str] = {}
    for where, line in read_lines(data / LABELS):
        try:
            path, value, cell = line.split()
            probability = float(value)
        except ValueError:
            probability = -1
        if not any(abs(probability - k / 3) < 0.01 for k in range(4)):
            raise ValueError(
                f'{where}: expected path, probability in 0, 1/3, 2/3, 1 and '
                f'cell type, got {line!r}. Install elpv-dataset again.'
            )
        if not (data / path).is_file():
            raise FileNotFoundError(
                f'{where}: expected the image {path}, found none. Install '
                'elpv-dataset again.'
            )
        if path in seen:
            raise ValueError(
                f'{where}: {path} stands in {seen[path]} too; list each '
                'image once.'
            )
        seen[path] = where
        rows.append((path, probability, cell))
    return rows


def _contents(data: Path, out: Path, listed: set[str]) -> Contents:
    """Look for images beside the listed ones."""
    contents = Contents(str(data))
    for folder in sorted({first_folder(path) for path in listed}):
        part = Contents(str(data / folder))
        start = f'{folder}/' if folder else ''
        others = [
            path
            for path in images_besides(data / folder, out, part)
            if f'{start}{path}' not in listed
        ]
        part.leave_out(f'not in {LABELS}', *others)
        contents.add(part, folder)
    return contents


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('--out', required=True, help='folder of the lists')
    parser.add_argument(
        '--root', help='folder of labels.csv (default: the installed package)'
    )
    parser.add_argument(
        '--labels',
        choices=['binary', 'four'],
        default='binary',
        help='defective and functional, or the four probabilities',
    )
    parser.add_argument(
        '--threshold',
        type=float,
        metavar='P',
        help='call cells of probability P and above defective, the others '
        'functional (default: use the certain ones, 0 and 1, only)',
    )
    parser.add_argument('--test-fraction', type=float, default=0.5)
    parser.add_argument('--seed', type=int, default=0)


PREPARATION = Preparation(
    'ELPV: solar cells, from the installed package elpv-dataset',
    _add_arguments,
    prepare_elpv,
)
