"""Labels that the neighbours of their images contradict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mmcvgssl.datasets.checks import (
    NOTE,
    WARNING,
    Example,
    Finding,
    ImageTable,
)
from mmcvgssl.evaluation.label_errors import NEIGHBOURS, find_label_errors
from mmcvgssl.utils import printable

if TYPE_CHECKING:
    from mmcvgssl.apis.features import FeatureExtractor


def label_findings(
    table: ImageTable, first: Sequence[int], extractor: FeatureExtractor
) -> list[Finding]:
    """Report labels that no neighbour in feature space has.

    Args:
        table: Images that have been read.
        first: By image, the first of its copies, which have no vote on each
            other.
        extractor: Computes the features.
    """
    labels = {i: table.label(i) for i in table.read}
    used = [i for i, label in labels.items() if label is not None]
    names = sorted({str(labels[i]) for i in used})
    without = len(labels) - len(used)
    if len(names) < 2:
        return [
            Finding(
                'labels',
                NOTE,
                f'labels are not compared with those of neighbours: images '
                f'of {len(names)} classes can be read, two are needed',
            )
        ]
    features = extractor([table.files[i] for i in used])
    rows = [used[i] for i in features.indices]
    index = {name: i for i, name in enumerate(names)}
    found = find_label_errors(
        features.rows,
        np.array([index[str(labels[i])] for i in rows]),
        np.array([first[i] for i in rows]),
    )
    notes = []
    if without:
        notes.append(
            Finding(
                'labels',
                NOTE,
                f'{without} images of no class, or of several, are not '
                'compared with their neighbours',
            )
        )
    if not found:
        return notes
    examples = [
        Example(
            f'{table.name(rows[error.index])}: '
            f'{printable(names[error.suggested])}? '
            f'{error.share:.0%} of its neighbours',
            (table.files[rows[error.index]],),
        )
        for error in found
    ]
    return [
        Finding(
            'labels',
            WARNING,
            f'labels that none of the {NEIGHBOURS} nearest neighbours has, '
            'where these are surely of another class',
            examples,
            'look at them: classes that look alike are named, too',
        ),
        *notes,
    ]
