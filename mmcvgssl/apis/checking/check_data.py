"""Checking data sets before anything is learned from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmcvgssl.apis.checking.box_labels import box_label_findings
from mmcvgssl.apis.checking.labels import label_findings
from mmcvgssl.apis.checking.reading import mask_findings, read_all
from mmcvgssl.compat import require
from mmcvgssl.datasets.checks import (
    ERROR,
    SEVERITIES,
    WARNING,
    DataPart,
    Finding,
    ImageTable,
    find_parts,
)
from mmcvgssl.datasets.checks.box_findings import box_findings
from mmcvgssl.datasets.checks.class_findings import class_findings
from mmcvgssl.datasets.checks.copies import CopyGroups
from mmcvgssl.datasets.checks.image_findings import forms, image_findings
from mmcvgssl.datasets.checks.near_copies import SIMILARITY
from mmcvgssl.progress import progress_bar
from mmcvgssl.utils import check_least

if TYPE_CHECKING:
    from mmcvgssl.apis.features import FeatureExtractor

FEATURES, NONE = 'package:efficientnet-lite0', 'none'


@dataclass(frozen=True)
class DataCheck:
    """What a check of data sets has found.

    Args:
        parts: Source, number of images, classes, boxes and forms of each
            part.
        findings: The gravest first.

    Example:
        >>> DataCheck({}, []).count('error')
        0
    """

    parts: dict[str, dict[str, Any]]
    findings: list[Finding] = field(default_factory=list)

    def count(self, severity: str) -> int:
        """Count the findings of a severity."""
        return sum(f.severity == severity for f in self.findings)

    def summary(self) -> str:
        """Count the findings in a line."""
        counts = [
            f'{self.count(severity)} {severity}'
            f'{"s" * (self.count(severity) != 1)}'
            for severity in SEVERITIES
        ]
        return ', '.join(counts)

    def fails(self, on: str) -> bool:
        """Whether there is a finding of this severity, or a graver one.

        Args:
            on: ``error``, ``warning``, or ``never``.
        """
        if on == 'never':
            return False
        graver = SEVERITIES[: SEVERITIES.index(on) + 1]
        return any(finding.severity in graver for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return all of it for scripts."""
        return {
            'parts': self.parts,
            'errors': self.count(ERROR),
            'warnings': self.count(WARNING),
            'findings': [finding.as_dict() for finding in self.findings],
        }


def check_data(
    sets: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
    features: str | Path | None = FEATURES,
    similarity: float = SIMILARITY,
    root: str | Path | None = None,
    encoding: str = '',
    labelled: bool = True,
    config: str | Path | None = None,
    size: int | None = None,
    device: str | None = None,
    batch_size: int = 32,
    workers: int | None = None,
) -> DataCheck:
    """Check data sets: files, copies, labels, classes, masks and boxes.

    :func:`mmcvgssl.reports.write_check` writes a page of it.

    Args:
        sets: Folders, lists (``NAME.txt``) or COCO files (``NAME.json``),
            perhaps by name, such as ``train`` and ``test``; what a folder
            may hold says :func:`mmcvgssl.datasets.checks.find_parts`.
        features: Source of features that neighbours of an image are found
            by, see :class:`FeatureExtractor`; ``'none'`` or None: labels are
            not compared with those of neighbours.
        similarity: Correlation, up to 1, from which on images count as near
            copies.
        root: Folder that listed paths, and names of COCO files, are relative
            to; by default that of the list or file.
        encoding: Encoding of lists.
        labelled: Whether folders are classes.
        config: Config of the training, for a checkpoint that holds none.
        size: Side of the images for the features, pixels.
        device: Device of the network.
        batch_size: Images that pass it at once.
        workers: Processes that read images.

    Raises:
        FileNotFoundError: If a set, or each image of one, is missing.
        ModuleNotFoundError: If the package ``imagehash`` is missing.
        ValueError: If an option is out of range, or a set is given twice or
            has no image.

    Example:
        >>> found = check_data('test_images', features=None)
        >>> found.parts['test_images']['images']
        4
    """
    require('imagehash')
    check_least(workers=(workers, 0), batch_size=(batch_size, 1))
    if not 0 < similarity <= 1:
        raise ValueError(
            f'similarity is above 0 and up to 1, got {similarity}'
        )
    parts = find_parts(_named(sets), root, encoding, labelled)
    extractor = None
    if str(features) not in ('None', NONE) and _labelled(parts):
        extractor = _extractor(
            str(features), config, size, device, batch_size, workers
        )
    return _check(parts, extractor, similarity, workers)


def _check(
    parts: Sequence[DataPart],
    extractor: FeatureExtractor | None,
    similarity: float,
    workers: int | None,
) -> DataCheck:
    table = ImageTable.of(parts)
    read_all(table, workers)
    found = [finding for part in parts for finding in part.findings]
    found += image_findings(table)
    with progress_bar(total=8, desc='copies', unit='orientation') as bar:
        copies = CopyGroups(table, similarity, bar.update)
    found += copies.findings()
    found += class_findings(parts)
    for part in parts:
        found += box_findings(part)
        found += mask_findings(part, workers)
    in_common = not any(
        finding.kind == 'depth-range' and finding.severity == ERROR
        for finding in found
    )
    if extractor is not None and in_common:
        found += label_findings(table, copies.first, extractor)
        found += box_label_findings(parts, table, copies.first, extractor)
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    about: dict[str, dict[str, Any]] = {}
    for part in parts:
        own = about.setdefault(
            part.name, {'source': str(part.source), 'images': 0}
        )
        if not part.only_boxes:
            own |= {
                'images': len(part.images),
                'classes': part.classes,
                **forms(table, part.name),
            }
        if part.boxes is not None:
            own['boxes'] = dict(part.boxes.boxes)
    return DataCheck(about, found)


def _labelled(parts: Sequence[DataPart]) -> bool:
    labels = {label for part in parts for label in part.classes}
    for part in parts:
        boxes = {} if part.boxes is None else part.boxes.boxes
        labels |= {name for name, count in boxes.items() if count}
    return len(labels) > 1


def _named(
    sets: str | Path | Sequence[str | Path] | Mapping[str, str | Path],
) -> dict[str, str | Path]:
    """Name sets by their files, where they have no names.

    Raises:
        ValueError: If there is none, or two of one name.
    """
    if isinstance(sets, Mapping):
        given = dict(sets)
    elif isinstance(sets, (str, Path)):
        given = {'': sets}
    elif len(sets) == 1:
        given = {'': sets[0]}
    else:
        given = {}
        for path in map(Path, sets):
            name = path.stem if path.is_file() else path.name
            name = name or path.resolve().name
            if name in given:
                raise ValueError(
                    f'expected sets of different names, got {given[name]} '
                    f'and {path}, both {name}: name them, as by '
                    f'train={given[name]} test={path}'
                )
            given[name] = path
    if not given:
        raise ValueError('expected a data set to check, got none: name one')
    return given


def _extractor(
    features: str,
    config: str | Path | None,
    size: int | None,
    device: str | None,
    batch_size: int,
    workers: int | None,
) -> FeatureExtractor:
    # the network is not needed without it
    from mmcvgssl.apis.features import FeatureExtractor

    return FeatureExtractor(
        features, config, size, device, batch_size, workers
    )
