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
)
from mmcvgssl.datasets.preparation.images import check_root, images_below
from mmcvgssl.datasets.preparation.masks import mask_notes

GOOD_NAMES = ('good', 'ok')


def prepare_mvtec(
    root: str | Path, categories: Sequence[str] = ()
) -> Prepared:
    """Check a tree like that of MVTec AD; no list is needed or written.

    Source: Bergmann et al., "MVTec AD", CVPR 2019,
    https://www.mvtec.com/company/research/datasets/mvtec-ad
    (CC BY-NC-SA 4.0).

    Args:
        root: Folder of the categories, or of one.
        categories: Those to check; empty: all.

    Returns:
        Counts by category in place of classes: images to train on, good and
        defective ones to test on, and defective ones without a mask.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the tree is not as expected, or a mask is wrong.
    """
    root = check_root(root)
    layout = MvtecLayout(root, GOOD_NAMES, EXTENSIONS, categories)
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
    notes = []
    for name, samples in tests.items():
        notes += mask_notes(root, samples, f'{name}: ')
        notes += _orphans(root, layout.categories[name], samples)
    return Prepared(root, None, names, columns, notes)


def _item(sample: Sample, names: list[str]) -> Item:
    return sample.path, names.index(sample.category)


def _orphans(root: Path, prefix: str, samples: Sequence[Sample]) -> list[str]:
    """Say which masks belong to no image."""
    folder = Path(prefix, 'ground_truth')
    used = {sample.mask for sample in samples}
    found = [(folder / p).as_posix() for p in images_below(root / folder)]
    alone = [path for path in found if path not in used]
    if not alone:
        return []
    return [f'{len(alone)} masks of no image, the first is {alone[0]}']


def _add_arguments(parser: ArgumentParser) -> None:
    parser.add_argument('root', help='folder of the categories, or of one')
    parser.add_argument(
        '--categories',
        nargs='+',
        default=[],
        metavar='NAME',
        help='those to check (default: all)',
    )


PREPARATION = Preparation(
    'MVTec AD or a tree like it: counts images and checks masks',
    _add_arguments,
    prepare_mvtec,
)
