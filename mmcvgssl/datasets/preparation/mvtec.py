"""MVTec AD: its tree is read as it is, and checked here."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from mmcvgssl.datasets.image_folders import EXTENSIONS
from mmcvgssl.datasets.layouts import DEFECT, MvtecLayout, Sample
from mmcvgssl.datasets.preparation.annotations import (
    Item,
    Preparation,
    Prepared,
    add_good_names,
    notes_of,
)
from mmcvgssl.datasets.preparation.images import check_root
from mmcvgssl.datasets.preparation.masks import mask_notes


def prepare_mvtec(
    root: str | Path,
    categories: Sequence[str] = (),
    good_names: str | Sequence[str] = 'auto',
) -> Prepared:
    """Check a tree like that of MVTec AD; no list is needed or written.

    Source: Bergmann et al., "MVTec AD", CVPR 2019,
    https://www.mvtec.com/company/research/datasets/mvtec-ad
    (CC BY-NC-SA 4.0).

    Args:
        root: Folder of the categories, or of one.
        categories: Categories to check; empty: all.
        good_names: See :class:`OneClassDataset`.

    Returns:
        Counts by category instead of classes: images to train on, good and
        defective ones to test on, and defective ones without a mask.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the tree is not as expected, or a mask is wrong.
    """
    root = check_root(root)
    layout = MvtecLayout(root, good_names, EXTENSIONS, categories)
    names = list(layout.categories)
    columns: dict[str, list[Item]] = {
        name: [] for name in ('train', 'good', 'defective', 'no mask')
    }
    for sample in layout.walked('train'):
        columns['train'].append(_item(sample, names))
    tests: dict[str, list[Sample]] = {name: [] for name in names}
    for sample in layout.walked('test'):
        item = _item(sample, names)
        tests[sample.category].append(sample)
        bad = sample.label == DEFECT
        columns['defective' if bad else 'good'].append(item)
        if bad and sample.mask is None:
            columns['no mask'].append(item)
    notes = notes_of(layout.contents)
    for name, samples in tests.items():
        notes += mask_notes(root, samples, f'{name}: ')
    return Prepared(root, None, names, columns, notes)


def _item(sample: Sample, names: list[str]) -> Item:
    return sample.path, names.index(sample.category)


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('root', help='folder of the categories, or of one')
    parser.add_argument(
        '--categories',
        nargs='+',
        default=[],
        metavar='NAME',
        help='those to check (default: all)',
    )
    add_good_names(parser)


PREPARATION = Preparation(
    'MVTec AD or a tree like it: counts images and checks masks',
    _add_arguments,
    prepare_mvtec,
)
