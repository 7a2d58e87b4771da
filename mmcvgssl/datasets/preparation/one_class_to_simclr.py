"""From good and defective images to a few labelled and many unlabelled."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path

from mmcvgssl.datasets.image_folders import EXTENSIONS
from mmcvgssl.datasets.layouts import DEFECT, GOOD, Sample, find_layout
from mmcvgssl.datasets.preparation.annotations import (
    OUT_FOLDER,
    Item,
    Preparation,
    Prepared,
    add_good_names,
    notes_of,
    write_annotations,
)
from mmcvgssl.datasets.preparation.images import check_root
from mmcvgssl.datasets.preparation.splits import (
    add_split_arguments,
    stratified_split,
)

CLASSES = ('good', 'anomaly')


def prepare_one_class_to_simclr(
    root: str | Path,
    out: str | Path | None = None,
    categories: Sequence[str] = (),
    unlabelled_fraction: float = 0.2,
    test_fraction: float = 0.5,
    seed: int = 0,
    good_names: str | Sequence[str] = 'auto',
) -> Prepared:
    """Write lists for contrastive pretraining and for what comes after it.

    All images of the tree, to train and to test on, are divided anew: a
    share of each category and kind of defect stays unlabelled, the rest
    goes to ``train.txt`` and ``test.txt`` with the classes good and anomaly.
    ``good.txt`` and ``anomaly.txt`` are the training images of one class
    each, ``unlabelled.txt`` those without a label, and
    ``train_unlabelled.txt`` all that may be pretrained on: both of these.

    Args:
        root: Folder of MVTec-style categories or of one; magnetic tiles and
            a folder of good images beside folders of defects will do, too.
        out: Folder of the lists; by default ``mmcvgssl`` in ``root``.
        categories: Categories of an MVTec-style tree to use; empty: all.
        unlabelled_fraction: Share of all images to leave without labels, in
            (0, 1).
        test_fraction: Share of the labelled images to test on, in (0, 1).
        seed: Seed of the draws.
        good_names: See :class:`OneClassDataset`.

    Raises:
        FileNotFoundError: If there is no such folder.
        ValueError: If the tree is not as expected, a fraction is out of
            range, or a list lacks a class.
    """
    if not 0 < unlabelled_fraction < 1:
        raise ValueError(
            'Expected a fraction of unlabelled images between 0 and 1, got '
            f'{unlabelled_fraction}.'
        )
    root = check_root(root)
    out = Path(out) if out else root / OUT_FOLDER
    layout = find_layout('auto', root, good_names, EXTENSIONS, categories)
    # without a split of their own, good images come with both
    samples = {
        sample.path: sample
        for split in ('train', 'test')
        for sample in layout.walked(split)
    }
    rest, unlabelled = _divide(
        list(samples.values()), unlabelled_fraction, seed
    )
    train, test = _divide(rest, test_fraction, seed)
    for name, part in (('training', train), ('test', test)):
        n_good = sum(sample.label == GOOD for sample in part)
        if not 0 < n_good < len(part):
            raise ValueError(
                f'Expected good and defective images to divide, got {n_good} '
                f'good and {len(part) - n_good} defective {name} images of '
                f'{len(samples)} in {root}. Use a larger data set, or other '
                'fractions.'
            )
    splits = {
        name: [_item(sample) for sample in part]
        for name, part in (
            ('train', train),
            ('test', test),
            ('unlabelled', unlabelled),
        )
    }
    notes = [
        'train_unlabelled.txt holds the training and the unlabelled images, '
        'without labels',
        *notes_of(layout.contents),
    ]
    lists = {
        f'{name}.txt': [p for p, label in splits['train'] if label == index]
        for index, name in enumerate(CLASSES)
    }
    # instead of lists with labels, and of training images alone
    lists['unlabelled.txt'] = [p for p, _ in splits['unlabelled']]
    lists['train_unlabelled.txt'] = sorted(
        [p for p, _ in splits['train']] + lists['unlabelled.txt']
    )
    return write_annotations(
        Prepared(root, out, CLASSES, splits, notes), lists
    )


def _divide(
    samples: Sequence[Sample], fraction: float, seed: int
) -> tuple[list[Sample], list[Sample]]:
    """Draw a fraction of each category and kind of defect."""
    kinds = [(sample.category, sample.defect) for sample in samples]
    remaining, drawn = stratified_split(kinds, fraction, seed)
    return [samples[i] for i in remaining], [samples[i] for i in drawn]


def _item(sample: Sample) -> Item:
    return sample.path, int(sample.label == DEFECT)


def _add_arguments(parser: ArgumentParser) -> None:
    add_split_arguments(parser)
    parser.add_argument(
        '--unlabelled-fraction',
        type=float,
        default=0.2,
        help='share of all images that stays without a label; '
        '--test-fraction is of the others',
    )
    parser.add_argument(
        '--categories',
        nargs='+',
        default=[],
        metavar='NAME',
        help='those of an MVTec-style tree (default: all)',
    )
    add_good_names(parser)


PREPARATION = Preparation(
    'good and defective images, as of MVTec AD: good, anomaly, unlabelled',
    _add_arguments,
    prepare_one_class_to_simclr,
)
