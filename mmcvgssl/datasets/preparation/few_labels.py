"""A part of a COCO file: of each class the labels of a few images."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmcvgssl.datasets.coco_check import check_coco
from mmcvgssl.datasets.coco_file import first_categories, part_of_coco
from mmcvgssl.datasets.draws import draw_seed, draw_shots
from mmcvgssl.datasets.preparation.annotations import Preparation
from mmcvgssl.provenance import make_room
from mmcvgssl.utils import atomic_write, check_file, printable


@dataclass(frozen=True)
class FewLabels:
    """What was drawn.

    Args:
        out: The file that was written.
        images: Number of images of each class, drawn and of all, by its
            name.
        good: Number of images without a box, drawn and of all.
        boxes: Number of boxes that were drawn with the images.
    """

    out: Path
    images: Mapping[str, tuple[int, int]]
    good: tuple[int, int]
    boxes: int

    def summary(self) -> str:
        """Count the images of each class."""
        counts = dict(self.images)
        if self.good[1]:
            counts['without a box'] = self.good
        width = max(len(printable(name)) for name in counts)
        lines = [
            f'{printable(name).ljust(width)} {drawn:6} of {of} images'
            for name, (drawn, of) in counts.items()
        ]
        total = sum(drawn for drawn, _ in counts.values())
        return '\n'.join(
            [*lines, f'{self.out}: {total} images, {self.boxes} boxes']
        )


def draw_few_labels(
    file: str | Path,
    out: str | Path,
    shots: int | None = None,
    share: float | None = None,
    good: int = 0,
    seed: int = 0,
) -> FewLabels:
    """Draw whole images of a COCO file, of each class as many.

    The class of an image is that of its first box, as where labels are
    divided for training and test. Ids stay as they are. A file of another
    draw is moved to the folder ``earlier``.

    Args:
        file: The COCO file, of training images.
        out: The part, another COCO file.
        shots: Number of images of each class.
        share: Instead of ``shots``, the share of the images of each class,
            in (0, 1); at least one image.
        good: Number of images without a box.
        seed: Seed of the draw, see :func:`draw_shots`.

    Raises:
        FileNotFoundError: If the file is missing.
        AnnotationError: If something is wrong with it.
        ValueError: If a class has too few images, or a number is out of
            range.
        OSError: If ``out`` cannot be written.
    """
    file, out = Path(file), Path(out)
    _check_numbers(shots, share, good, seed)
    if out.resolve() == file.resolve():
        raise ValueError(f'--out: {out} is the file that is drawn from')
    check_file(out, '--out')
    check = check_coco(file)
    check.raise_problems()
    content = dict(check.content)
    first = first_categories(content)
    of_class = {
        category['name']: [i for i, c in enumerate(first) if c == key]
        for key, category in ((c['id'], c) for c in content['categories'])
    }
    without = [i for i, c in enumerate(first) if c is None]
    drawn = {
        name: _draw(name, own, shots, share, draw_seed(seed, number))
        for number, (name, own) in enumerate(of_class.items())
    }
    if len(without) < good:
        raise ValueError(
            f'--good: expected {good} images without a box, and {file} has '
            f'{len(without)}: ask for fewer'
        )
    none = _drawn(without, good, draw_seed(seed, len(of_class)))
    rows = sorted([*none, *(i for own in drawn.values() for i in own)])
    part = part_of_coco(content, rows)
    data = f'{json.dumps(part, ensure_ascii=False)}\n'.encode()
    make_room(out.parent, {out.name: data}, f'the labels in {out}')
    atomic_write(out, data)
    counts = {n: (len(drawn[n]), len(own)) for n, own in of_class.items()}
    boxes = len(part['annotations'])
    return FewLabels(out, counts, (len(none), len(without)), boxes)


def _check_numbers(
    shots: int | None, share: float | None, good: int, seed: int
) -> None:
    if (shots is None) == (share is None):
        raise ValueError(
            'give a number of images of each class, or a share of them: '
            '--shots or --share'
        )
    if shots is not None and shots < 1:
        raise ValueError(f'--shots: expected 1 or more images, got {shots}')
    if share is not None and not 0 < share < 1:
        raise ValueError(f'--share: expected a share in (0, 1), got {share}')
    for name, value in (('good', good), ('seed', seed)):
        if value < 0:
            raise ValueError(f'--{name}: expected 0 or more, got {value}')


def _draw(
    name: str,
    images: Sequence[int],
    shots: int | None,
    share: float | None,
    seed: int,
) -> list[int]:
    """Draw images of a class.

    Raises:
        ValueError: If there are fewer.
    """
    wanted = shots or max(round((share or 0) * len(images)), 1)
    if len(images) < wanted:
        raise ValueError(
            f'expected {wanted} images of each class, and {printable(name)} '
            f'is that of the first box of {len(images)}: ask for fewer by '
            '--shots or --share, add images, or leave it out of the categories'
        )
    return _drawn(images, wanted, seed)


def _drawn(images: Sequence[int], wanted: int, seed: int) -> list[int]:
    if not wanted:
        return []
    rows = draw_shots([0] * len(images), wanted, seed)
    return [images[row] for row in rows]


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('file', help='COCO file of the training images')
    parser.add_argument('--out', required=True, help='the part, NAME.json')
    size = parser.add_mutually_exclusive_group(required=True)
    size.add_argument(
        '--shots',
        type=int,
        metavar='N',
        help='images of each class, which is that of their first box',
    )
    size.add_argument(
        '--share',
        type=float,
        help='of the images of each class, in (0, 1); at least one is drawn',
    )
    parser.add_argument(
        '--good',
        type=int,
        default=0,
        metavar='N',
        help='images without a box (default: %(default)s)',
    )
    parser.add_argument('--seed', type=int, default=0)


PREPARATION = Preparation(
    'a few labels: of each class some images of a COCO file',
    _add_arguments,
    draw_few_labels,
)
