"""How many images classes have in each part."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from mmcvgssl.datasets.checks.data_part import DataPart
from mmcvgssl.datasets.checks.finding import ERROR, NOTE, WARNING, Finding

IMBALANCED = 10  # times as many images as of the rarest class


def class_findings(parts: Sequence[DataPart]) -> list[Finding]:
    """Report classes that are rare, or in one part alone."""
    counted = {
        part.name: part.classes for part in parts if not part.only_boxes
    }
    labelled = {name: own for name, own in counted.items() if own}
    if not labelled:
        return [
            Finding(
                'no-labels',
                NOTE,
                'no classes: images lie in no class folders, and no list or '
                'COCO file names some, so labels are not checked',
            )
        ]
    total = Counter[str]()
    for own in labelled.values():
        total.update(own)
    found = _of_parts(labelled)
    alone = [name for name, n in total.items() if n == 1]
    if alone:
        found.append(
            Finding.of(
                'one-image',
                WARNING,
                'classes of one image, which cannot be learned and tested',
                alone,
            )
        )
    for name, own in labelled.items():
        most, least = (
            max(own, key=own.__getitem__),
            min(own, key=own.__getitem__),
        )
        if own[most] >= IMBALANCED * own[least]:
            found.append(
                Finding(
                    'imbalance',
                    NOTE,
                    f'{name}: {own[most]} images of {most}, {own[least]} of '
                    f'{least}: accuracy over all images says little of '
                    'those; balanced accuracy does',
                )
            )
    return found


def _of_parts(counted: Mapping[str, Mapping[str, int]]) -> list[Finding]:
    """Compare the classes of training and test."""
    learned = {
        label
        for name, own in counted.items()
        if _is_training(name)
        for label in own
    }
    tested = {
        label
        for name, own in counted.items()
        if not _is_training(name)
        for label in own
    }
    # one class alone: normal images, which a model of anomalies learns
    if len(learned) < 2 or not tested:
        return []
    found = []
    if tested - learned:
        found.append(
            Finding.of(
                'untrained-class',
                ERROR,
                'classes that are tested on, but of which no image is '
                'trained on',
                sorted(tested - learned),
            )
        )
    if learned - tested:
        found.append(
            Finding.of(
                'untested-class',
                WARNING,
                'classes that are trained on, but not tested',
                sorted(learned - tested),
            )
        )
    return found


def _is_training(name: str) -> bool:
    return name.rpartition('/')[2].casefold().startswith('train')
