"""Distributions of the scores of one category's images."""

from __future__ import annotations

import math

import numpy as np

from mmcvgssl.evaluation.anomaly_curves import (
    aupro_of_masses,
    metrics_of_masses,
    region_weights,
)
from mmcvgssl.evaluation.anomaly_table import RATES
from mmcvgssl.evaluation.score_histogram import ScoreHistogram

GOOD = 0  # kind of a defect: 1, or its name
DEFECT = 1
REGIONS = 'regions'


class CategoryScores:
    """Distributions of image scores and pixels; their size is bounded.

    Args:
        exact_limit: See :class:`ScoreHistogram`.

    Example:
        >>> scores = CategoryScores()
        >>> scores.add(0.1, is_defective=False)
        >>> scores.add(0.8, is_defective=True, defect='crack')
        >>> scores.defect_auroc()
        {'crack': 1.0}
    """

    def __init__(self, exact_limit: int = 2**17) -> None:
        self.images = ScoreHistogram(exact_limit)
        self.pixels = ScoreHistogram(exact_limit)
        self.n_defective = 0
        self.n_without_mask = 0
        self.n_empty_masks = 0
        # images with a verdict, and those above the threshold, by truth
        self.n_judged = [0, 0]
        self.n_above = [0, 0]

    def add(
        self,
        score: float,
        is_defective: bool,
        defect: str | None = None,
        anomaly_map: np.ndarray | None = None,
        mask: np.ndarray | None = None,
        above: bool | None = None,
    ) -> None:
        """Add an image.

        Args:
            score: Score of the image.
            is_defective: Whether it has a defect.
            defect: Name of its class of defects, if known.
            anomaly_map: [H, W], or None to leave pixels out.
            mask: Booleans [H, W], or None if not known.
            above: Whether the score is above a threshold, if there is one.
        """
        kind = (defect or DEFECT) if is_defective else GOOD
        self.images.add(np.asarray([score]), kind)
        self.n_defective += is_defective
        if above is not None:
            self.n_judged[is_defective] += 1
            self.n_above[is_defective] += above
        if anomaly_map is None:
            return
        if mask is None:
            self.n_without_mask += 1
            return
        self.pixels.add(anomaly_map[~mask], GOOD)
        if mask.any():
            found = anomaly_map[mask]
            self.pixels.add(found, DEFECT)
            self.pixels.add(found, REGIONS, region_weights(mask))
        elif is_defective:
            self.n_empty_masks += 1

    def merge(self, other: CategoryScores) -> None:
        """Add the images of another object."""
        self.images.merge(other.images)
        self.pixels.merge(other.pixels)
        self.n_defective += other.n_defective
        self.n_without_mask += other.n_without_mask
        self.n_empty_masks += other.n_empty_masks
        for i in (GOOD, DEFECT):
            self.n_judged[i] += other.n_judged[i]
            self.n_above[i] += other.n_above[i]

    def image_metrics(self) -> dict[str, float]:
        """Compute ``image_auroc``, ``image_ap`` and ``image_f1_max``."""
        good = self.images.masses(GOOD)
        defects = [kind for kind in self.images.kinds if kind != GOOD]
        metrics = metrics_of_masses(good, self.images.masses(*defects))
        return {f'image_{name}': value for name, value in metrics.items()}

    def rates(self) -> dict[str, float]:
        """Compute ``false_alarms`` and ``detected``, if there is a threshold.

        Shares of the good and of the defective images above the threshold;
        NaN where there are none.
        """
        if not any(self.n_judged):
            return {}
        return {
            name: above / n if n else math.nan
            for name, above, n in zip(
                RATES,
                self.n_above,
                self.n_judged,
                strict=True,
            )
        }

    def pixel_metrics(self, fpr_limit: float) -> dict[str, float]:
        """Compute the metrics of pixels, and ``pixel_aupro``."""
        normal = self.pixels.masses(GOOD)
        metrics = metrics_of_masses(normal, self.pixels.masses(DEFECT))
        metrics['aupro'] = aupro_of_masses(
            normal, self.pixels.masses(REGIONS), fpr_limit
        )
        return {f'pixel_{name}': value for name, value in metrics.items()}

    def defect_auroc(self) -> dict[str, float]:
        """Compute image AUROC of each named defect against all good ones."""
        good = self.images.masses(GOOD)
        names = sorted(k for k in self.images.kinds if isinstance(k, str))
        return {
            name: metrics_of_masses(good, self.images.masses(name))['auroc']
            for name in names
        }

    def problems(self, pixel: bool) -> list[str]:
        """Return why metrics are undefined or leave images out."""
        found = []
        left_out = 'are undefined (NaN) and left out of the mean'
        if GOOD not in self.images.kinds:
            found.append(f'no good image, so image metrics {left_out}')
        if not self.n_defective:
            found.append(f'no defective image, so image metrics {left_out}')
        if not pixel:
            return found
        if GOOD not in self.pixels.kinds:
            found.append(f'no normal pixel, so pixel metrics {left_out}')
        if DEFECT not in self.pixels.kinds:
            found.append(
                f'no defective pixel in a mask, so pixel metrics {left_out}'
            )
        if self.n_empty_masks:
            found.append(
                f'{self.n_empty_masks} of {self.n_defective} defective images '
                'have an empty mask: all their pixels count as normal'
            )
        if self.n_without_mask:
            found.append(
                f'{self.n_without_mask} of {self.n_defective} defective '
                'images have no mask: pixel metrics leave them out'
            )
        return found
