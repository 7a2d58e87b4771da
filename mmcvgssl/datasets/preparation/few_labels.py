"""A part of a COCO file: a few images of each class, or listed ones."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcvgssl.datasets.coco_check import check_coco
from mmcvgssl.datasets.coco_file import first_categories, part_of_coco
from mmcvgssl.datasets.draws import draw_seed, draw_shots
from mmcvgssl.datasets.preparation.annotations import Preparation
from mmcvgssl.datasets.text_lists import add_encoding, read_paths
from mmcvgssl.provenance import make_room
from mmcvgssl.utils import atomic_write, check_file, printable, some


@dataclass(frozen=True)
class FewLabels:
    """What was drawn, or listed.

    Args:
        out: The file that was written.
        images: Number of images of each class, in the part and of all, by
            its name.
        good: Number of images without a box, in the part and of all.
        boxes: Number of boxes in the part.
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

    def as_dict(self) -> dict[str, Any]:
        """Return the same for scripts."""
        return {
            'out': self.out,
            'images': self.images,
            'without_a_box': self.good,
            'boxes': self.boxes,
        }


def draw_few_labels(
    file: str | Path,
    out: str | Path,
    shots: int | None = None,
    share: float | None = None,
    good: int = 0,
    seed: int = 0,
    images: str | Path | None = None,
    encoding: str = '',
) -> FewLabels:
    """Draw whole images of a COCO file, of each class as many, or list them.

    The class of an image is that of its first box, as where labels are
    divided for training and test. Ids stay as they are. A file of another
    part is moved to the folder ``earlier``.

    Args:
        file: The COCO file, of training images.
        out: The part, another COCO file.
        shots: Number of images of each class.
        share: Instead of ``shots``, the share of the images of each class,
            in (0, 1); at least one image.
        good: Number of images without a box, beside those of each class.
        seed: Seed of the draw, see :func:`draw_shots`.
        images: Instead of a draw, a list of images, one ``file_name`` a
            line, such as ``selected.txt`` of :func:`select_images`.
        encoding: Encoding of the list.

    Raises:
        FileNotFoundError: If the file or the list is missing.
        AnnotationError: If something is wrong with it.
        ValueError: If a class has too few images, the list names none or
            others, or a number is out of range.
        OSError: If ``out`` cannot be written.
    """
    file, out = Path(file), Path(out)
    _check_numbers(shots, share, good, seed, images)
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
    if images is not None:
        listed = _listed(content, file, images, encoding)
        drawn = {
            n: [i for i in own if i in listed] for n, own in of_class.items()
        }
        none = [i for i in without if i in listed]
    else:
        drawn = {
            name: _draw(name, own, shots, share, draw_seed(seed, number))
            for number, (name, own) in enumerate(of_class.items())
        }
        if len(without) < good:
            raise ValueError(
                f'--good: expected {good} images without a box, and {file} '
                f'has {len(without)}: ask for fewer'
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
    shots: int | None,
    share: float | None,
    good: int,
    seed: int,
    images: str | Path | None,
) -> None:
    if sum(value is not None for value in (shots, share, images)) != 1:
        raise ValueError(
            'give a number of images of each class, a share of them, or a '
            'list of images: --shots, --share or --images'
        )
    if images is not None and (good or seed):
        raise ValueError(
            '--good and --seed are of a draw, and --images lists all images: '
            'leave them out'
        )
    if shots is not None and shots < 1:
        raise ValueError(f'--shots: expected 1 or more images, got {shots}')
    if share is not None and not 0 < share < 1:
        raise ValueError(f'--share: expected a share in (0, 1), got {share}')
    for name, value in (('good', good), ('seed', seed)):
        if value < 0:
            raise ValueError(f'--{name}: expected 0 or more, got {value}')


def _listed(
    content: Mapping[str, Any], file: Path, images: str | Path, encoding: str
) -> set[int]:
    """Return the indices of listed images.

    Raises:
        FileNotFoundError: If the list is missing.
        ValueError: If it names no image, or one that the file lacks.
    """
    if not Path(images).is_file():
        raise FileNotFoundError(
            f'--images: expected a list of images, one a line, found no file '
            f'{images}'
        )
    # names of a COCO file; only a list of its own spaces needs the folder
    names = read_paths(images, file.parent, encoding)
    rows = {image['file_name']: i for i, image in enumerate(content['images'])}
    missing = [name for name in names if name not in rows]
    if missing or not names:
        got = some(map(printable, missing), 'other') if names else 'none'
        raise ValueError(
            f'{images}: expected a file_name of {file} on each line, such as '
            f'{printable(next(iter(rows)))}, got {got}: list paths as '
            'file_name has them'
        )
    return {rows[name] for name in names}


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
    size.add_argument(
        '--images',
        metavar='LIST',
        help='the images to take, one file_name a line, such as selected.txt '
        'of mmcvgssl select',
    )
    parser.add_argument(
        '--good',
        type=int,
        default=0,
        metavar='N',
        help='images without a box (default: %(default)s)',
    )
    parser.add_argument('--seed', type=int, default=0)
    add_encoding(parser)


PREPARATION = Preparation(
    'a few labels: of each class some images of a COCO file, or listed ones',
    _add_arguments,
    draw_few_labels,
)
