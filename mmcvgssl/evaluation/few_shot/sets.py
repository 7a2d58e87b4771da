"""Checks of labelled images for training and testing."""

from __future__ import annotations

import os
from collections.abc import Sequence

from mmengine.logging import MMLogger

from mmcvgssl.datasets import SurfaceImages
from mmcvgssl.datasets.copies import notes_on_copies
from mmcvgssl.evaluation.few_shot import features as data
from mmcvgssl.utils import printable, some


def check_sets(train: SurfaceImages, test: SurfaceImages) -> None:
    """Refuse training and test sets that would give wrong accuracies.

    Images of the same content under two names are warned of.

    Raises:
        ValueError: If an image is in both, a class has no training image, or
            classes differ.
    """
    named = _is_named(train) and _is_named(test)
    if named and tuple(train.CLASSES) != tuple(test.CLASSES):
        raise ValueError(
            f'the classes of the training images are '
            f'{", ".join(train.CLASSES)} and of those to test on '
            f'{", ".join(test.CLASSES)}: their indices would differ; make '
            'the same folders, or classes.txt beside both lists with the '
            'same lines and the indices in this order, or name all classes '
            'by metainfo=dict(classes=...) of both data sets'
        )
    labels = set(data.labels_of(train).tolist())
    without = sorted(set(range(max(labels) + 1)) - labels)
    if without:
        raise ValueError(
            f'{train.ann_file or train.img_prefix}: no training image of '
            f'class {", ".join(map(str, without))}; classes count from 0 '
            'without gaps, so correct the indices of both lists'
        )
    unknown = sorted(set(data.labels_of(test).tolist()) - labels)
    if unknown:
        raise ValueError(
            f'classes {unknown} of the test set have no training image: '
            'make both lists with the same class indices'
        )
    parts = {'train': train, 'test': test}
    paths = {part: data.paths_of(own) for part, own in parts.items()}
    _check_apart(paths['train'], paths['test'])
    labelled = {
        part: list(zip(paths[part], data.labels_of(own).tolist(), strict=True))
        for part, own in parts.items()
    }
    for note in notes_on_copies('', labelled):
        MMLogger.get_current_instance().warning(note)


def _is_named(data_set: SurfaceImages) -> bool:
    """Whether its classes have names, not the indices of a list alone."""
    numbers = tuple(map(str, range(len(data_set.CLASSES))))
    return not data_set.ann_file or tuple(data_set.CLASSES) != numbers


def _check_apart(train: Sequence[str], test: Sequence[str]) -> None:
    learned = {os.path.realpath(path) for path in train}
    both = [path for path in test if os.path.realpath(path) in learned]
    if both:
        raise ValueError(
            f'{some(map(printable, both), "image")} of {len(test)} to test '
            'on are among the training images, too: make the lists anew with '
            'mmcvgssl prepare, or correct them'
        )
