"""From results to sections, whatever the results are of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np

from mmcvgssl.reports import results as kinds
from mmcvgssl.reports.anomaly import scored_by_prediction
from mmcvgssl.reports.anomaly_maps import scored_by_maps
from mmcvgssl.reports.classes import section_of_classes
from mmcvgssl.reports.curves import section_of_curves
from mmcvgssl.reports.detections import section_of_detections
from mmcvgssl.reports.embeddings import Shown
from mmcvgssl.reports.few_shot import section_of_few_shot
from mmcvgssl.reports.one_class import scored_by_one_class
from mmcvgssl.reports.pictures import Pictures, Source
from mmcvgssl.reports.predicted import Predicted, read_predicted
from mmcvgssl.reports.pseudo_boxes import section_of_boxes, section_of_joined
from mmcvgssl.reports.results import Result, Results
from mmcvgssl.reports.scores import Scored, section_of_scores
from mmcvgssl.reports.section import Section
from mmcvgssl.reports.tables import section_of_metrics, section_of_pipeline
from mmcvgssl.reports.truth import ANOMALY, CLASSIFIER, TrueImage, Truth


@dataclass
class Sections:
    """Sections about results, made one after another.

    What cannot be read is noted, and all else shown.

    Args:
        results: Results of work directories.
        images: Folder that the images are in now, or None.
        truth: What is true of images, or None.
        pictures: Pictures of the page.

    Attributes:
        made: The sections.
        shown: Images that embeddings can be shown of.
        notes: What could not be read, a sentence each.
    """

    results: Results
    images: Path | None
    truth: Truth | None
    pictures: Pictures
    made: list[Section] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def make(self) -> None:
        """Make all sections that need no model."""
        of = self.results.of
        for result in of(kinds.PIPELINE):
            self._try(partial(section_of_pipeline, result, self.pictures))
        for kind, tables in (
            (kinds.TRAINING, section_of_curves),
            (kinds.METRICS, section_of_metrics),
            (kinds.FEW_SHOT, section_of_few_shot),
        ):
            if of(kind):
                self._try(partial(tables, of(kind)))
        for result in of(kinds.PREDICTIONS):
            self._try(partial(self._predicted, result))
        home, truth = self.images, self.truth
        for result in of(kinds.ONE_CLASS):
            self._scored(partial(scored_by_one_class, result, home))
        for result in of(kinds.MAPS):
            self._scored(partial(scored_by_maps, result, home, truth))
        for kind, boxes in (
            (kinds.BOXES, section_of_boxes),
            (kinds.JOINED, section_of_joined),
        ):
            for result in of(kind):
                self._try(partial(boxes, result, home, truth, self.pictures))

    def _try(self, make: Callable[[], Section]) -> None:
        try:
            self.made.append(make())
        except (OSError, ValueError) as error:
            self.notes.append(str(error))

    def _scored(self, read: Callable[[], Scored]) -> None:
        def make() -> Section:
            scored = read()
            self._embed(scored, 'good or defective', _labels(scored))
            return section_of_scores(scored, self.pictures)

        self._try(make)

    def _predicted(self, result: Result) -> Section:
        found = read_predicted(result, self.images)
        found.truth = [_with_mask(t, found.source) for t in found.truth]
        if self.truth is not None and found.rows:
            files = [str(found.source.locate(path)) for path in found.paths]
            found.truth = self.truth.fit(
                *(found.kind, files, self.notes, found.classes),
                str(found.head['model'].get('file') or result.name),
            )
        if found.errors:
            self.notes.append(
                f'{result.name}: {len(found.errors)} of '
                f'{len(found.errors) + len(found.rows)} images could not be '
                f'predicted; {found.errors[0]}'
            )
        if found.kind == ANOMALY:
            scored = scored_by_prediction(found)
            said = [str(row['verdict']) for row in found.rows]
            self._embed(scored, 'verdict', said)
            return section_of_scores(scored, self.pictures)
        self._embed_predicted(found)
        if found.kind == CLASSIFIER:
            return section_of_classes(found, self.pictures)
        return section_of_detections(found, self.pictures)

    def _embed(self, scored: Scored, by: str, said: list[str]) -> None:
        names = [true.name if true else 'not known' for true in scored.truth]
        if any(scored.truth):
            by, said = 'truth', names
        self.shown.append(
            Shown(
                *(scored.name, scored.source, scored.paths, said, by),
                *(scored.scores.tolist(), 'score'),
            )
        )

    def _embed_predicted(self, found: Predicted) -> None:
        said = [str(row.get('label') or 'no box') for row in found.rows]
        by = 'predicted class'
        if any(found.truth):
            by = 'truth'
            said = [t.name if t else 'not known' for t in found.truth]
        of = 'probability' if found.kind == CLASSIFIER else 'score'
        scores = [float(row.get(of) or 0) for row in found.rows]
        self.shown.append(
            Shown(
                *(found.result.name, found.source, found.paths, said, by),
                *(scores, of),
            )
        )


def _with_mask(true: TrueImage | None, source: Source) -> TrueImage | None:
    """Return a truth with its mask where the images are now."""
    if true is None or true.mask is None:
        return true
    return replace(true, mask=str(source.locate(true.mask)))


def _labels(scored: Scored) -> list[str]:
    names = np.array(['not known', 'good', 'defective'])
    return names[scored.labels + 1].tolist()
