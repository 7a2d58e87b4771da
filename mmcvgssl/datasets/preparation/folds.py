"""Folds of a COCO file: parts to hold out, and the rest of each to train."""

from __future__ import annotations

import json
import warnings
from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklearn.model_selection import StratifiedKFold

from mmcvgssl.datasets.coco_check import check_coco
from mmcvgssl.datasets.coco_file import first_categories, part_of_coco
from mmcvgssl.datasets.copies import kept_together
from mmcvgssl.datasets.preparation.annotations import Preparation
from mmcvgssl.provenance import make_room
from mmcvgssl.utils import atomic_write, check_folder

TRAIN, HELD_OUT = 'train_{}.json', 'held_out_{}.json'


@dataclass(frozen=True)
class Folds:
    """What was written.

    Args:
        out: The folder.
        images: Number of images to train on, and held out, of each fold.
    """

    out: Path
    images: Sequence[tuple[int, int]]

    def summary(self) -> str:
        """Count the images of each fold."""
        return '\n'.join(
            f'{self.out / TRAIN.format(number)}: {train} images; '
            f'{HELD_OUT.format(number)}: {fold}'
            for number, (train, fold) in enumerate(self.images, 1)
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the same for scripts."""
        return {'out': self.out, 'images': [list(n) for n in self.images]}


def draw_folds(
    file: str | Path,
    out: str | Path,
    folds: int = 3,
    seed: int = 0,
    root: str | Path | None = None,
) -> Folds:
    """Divide the images of a COCO file into folds.

    Writes ``held_out_1.json``, a fold, and ``train_1.json``, all others, and
    so on. The images of each category, which is that of their first box, are
    spread evenly. Ids stay as they are.

    Args:
        file: The COCO file, of training images.
        out: Folder to write to.
        folds: Their number, 2 or more.
        seed: Seed of the draw.
        root: Folder of the images, whose copies then stand in one fold;
            None: contents are not looked at.

    Raises:
        FileNotFoundError: If the file is missing.
        AnnotationError: If something is wrong with it.
        ValueError: If there are fewer images than folds, a part would have
            no box, a number is out of range, or a fold would replace the
            file.
        OSError: If ``out`` cannot be written.
    """
    if type(folds) is not int or folds < 2:
        raise ValueError(f'--folds: expected 2 or more, got {folds}')
    if type(seed) is not int or seed < 0:
        raise ValueError(f'--seed: expected 0 or more, got {seed}')
    folder = Path(check_folder(out, '--out'))
    check = check_coco(file)
    check.raise_problems()
    content = dict(check.content)
    strata = [str(category) for category in first_categories(content)]
    if len(strata) < folds:
        raise ValueError(
            f'--folds: {file} has {len(strata)} images, fewer than {folds} '
            'folds: ask for fewer, or label more'
        )
    files: dict[str, bytes] = {}
    counts = []
    sides = _divide(strata, folds, seed)
    if root is not None:
        paths = [image['file_name'] for image in content['images']]
        sides = kept_together(root, paths, sides)
    for number in range(1, folds + 1):
        rest, fold = (
            [i for i, side in enumerate(sides) if (side == number) == apart]
            for apart in (False, True)
        )
        counts.append((len(rest), len(fold)))
        for name, rows in ((TRAIN, rest), (HELD_OUT, fold)):
            part = part_of_coco(content, rows)
            if not part['annotations']:
                raise ValueError(
                    f'--folds: a part of {file} would have no box: ask for '
                    'fewer folds, or label more'
                )
            text = f'{json.dumps(part, ensure_ascii=False)}\n'
            files[name.format(number)] = text.encode()
    own = Path(file).resolve()
    if own in [(folder / name).resolve() for name in files]:
        raise ValueError(
            f'--out: a fold would replace {file}, which the folds are drawn '
            'from: choose another folder'
        )
    beside = [p.name for p in _folds_in(folder) if p.resolve() != own]
    make_room(folder, files, f'the folds in {folder}', beside)
    for name, data in files.items():
        atomic_write(folder / name, data)
    return Folds(folder, counts)


def _folds_in(folder: Path) -> list[Path]:
    """Find folds, which have two files each; others are not of this draw."""
    found = []
    for train in sorted(folder.glob(TRAIN.format('[1-9]*'))):
        number = train.stem.removeprefix('train_')
        held_out = folder / HELD_OUT.format(number)
        if number.isdecimal() and held_out.is_file():
            found += [train, held_out]
    return found


def _divide(strata: Sequence[str], folds: int, seed: int) -> list[int]:
    """Return the number of the fold of each image, from 1."""
    sides = [0] * len(strata)
    draw = StratifiedKFold(folds, shuffle=True, random_state=seed)
    most = max(strata.count(name) for name in {*strata})
    if most < folds:  # which it refuses: all are of one stratum then
        strata = [''] * len(strata)
    with warnings.catch_warnings():
        # of a category with fewer images than folds, some have none
        warnings.simplefilter('ignore', UserWarning)
        for number, (_, fold) in enumerate(draw.split(strata, strata), 1):
            for i in fold.tolist():
                sides[i] = number
    return sides


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('file', help='COCO file of the training images')
    parser.add_argument('--out', required=True, help='folder to write to')
    parser.add_argument(
        '--folds', type=int, default=3, help='their number (%(default)s)'
    )
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--root',
        help='folder of the images: copies of one then stand in one fold',
    )


PREPARATION = Preparation(
    'folds of a COCO file: parts to hold out, and the rest of each to train',
    _add_arguments,
    draw_folds,
)
