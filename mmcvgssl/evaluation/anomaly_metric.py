"""Metrics of anomaly scores and maps in a test loop."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log
from mmengine.structures import BaseDataElement

from mmcvgssl.evaluation.anomaly_curves import check_fpr_limit
from mmcvgssl.evaluation.anomaly_sample import UNNAMED, read_sample
from mmcvgssl.evaluation.category_scores import CategoryScores
from mmcvgssl.registry import METRICS


@METRICS.register_module()
class AnomalyMetric(BaseMetric):
    """AUROC, AP and F1-max of images and pixels, and AUPRO.

    A data sample has ``anomaly_score`` (scalar), ``anomaly_map`` [h, w] and
    ``gt_label`` (0 is good, anything else a defect); and, if known,
    ``gt_mask`` [H, W] (greater than 0 is defect), to whose size the map is
    resized. A good image without a mask gets an empty one of its
    ``ori_shape``; a defective one is left out of pixel metrics. Metainfo
    ``category`` and ``defect`` are names; ``img_path`` helps messages.

    The results are means over categories, ``image_auroc``, ``image_ap``,
    ``image_f1_max``, ``pixel_auroc``, ``pixel_ap``, ``pixel_f1_max`` and
    ``pixel_aupro``, in [0, 1]; the same of each named category
    (``bottle/image_auroc``); and image AUROC of each named defect against
    all good images of its category (``bottle/crack/image_auroc``). What is
    undefined is NaN, named in a warning, and left out of means.

    Where the model has a threshold (metainfo or field ``threshold``),
    ``false_alarms`` and ``detected`` are the shares of good and of defective
    images above it.

    Memory does not grow with the number of images, see
    :class:`ScoreHistogram`.

    Args:
        fpr_limit: Where the curve of AUPRO ends, in (0, 1].
        pixel: Whether pixels are looked at.
        exact_limit: Distinct values up to which metrics are exact; with more
            they are within 1e-3. With the default, a category takes less than
            16 MiB.
        collect_device: See mmengine's ``BaseMetric``.
        prefix: Prefix of the names of the results.
        collect_dir: See mmengine's ``BaseMetric``.

    Raises:
        ValueError: If an option is out of range; in :meth:`process`, if a
            data sample lacks something or a value is not finite.

    Example:
        >>> metric = AnomalyMetric(pixel=False)
        >>> samples = [
        ...     dict(anomaly_score=0.2, gt_label=0, category='bottle'),
        ...     dict(anomaly_score=0.9, gt_label=1, category='bottle'),
        ... ]
        >>> metric.process(None, samples)
        >>> found = metric.evaluate(size=2)
        >>> found['image_auroc'], found['bottle/image_auroc']
        (1.0, 1.0)
    """

    default_prefix = ''

    def __init__(
        self,
        fpr_limit: float = 0.3,
        pixel: bool = True,
        exact_limit: int = 2**17,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        check_fpr_limit(fpr_limit)
        CategoryScores(exact_limit)  # raises if exact_limit is too small
        self.fpr_limit = fpr_limit
        self.pixel = pixel
        self.exact_limit = exact_limit
        self._reset()

    def _reset(self) -> None:
        self._categories: dict[str, CategoryScores] = {}
        self._n_seen = 0
        self._last: tuple[str, dict[str, Any]] | None = None

    def process(
        self,
        data_batch: Any,
        data_samples: Sequence[Mapping[str, Any] | BaseDataElement],
    ) -> None:
        """Add a batch."""
        for sample in data_samples:
            if isinstance(sample, BaseDataElement):
                sample = sample.to_dict()
            image = read_sample(sample, self.pixel, f'image {self._n_seen}')
            # the last image may be a repetition of the sampler, see evaluate()
            if self._last is not None:
                self._add(*self._last)
            self._last = image
            self._n_seen += 1

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather what all processes have seen and compute the metrics.

        Samplers deal out images in turn and repeat some at the end, so that
        each process gets the same number: at most the last of each process
        is a repetition, and is not counted.

        Args:
            size: Number of images of the data set.

        Raises:
            ValueError: If there have been more images than that.
        """
        rank, n_processes = get_dist_info()
        index = rank + (self._n_seen - 1) * n_processes
        if index - n_processes >= size:
            raise ValueError(
                f'process {rank} of {n_processes} has seen {self._n_seen} '
                f'images of a data set of {size}: call evaluate() with the '
                'size of the data set, once each image has been processed'
            )
        if self._last is not None and index < size:
            self._add(*self._last)
        self.results = [self._categories]
        self._reset()
        return super().evaluate(n_processes)

    def compute_metrics(
        self, results: list[dict[str, CategoryScores]]
    ) -> dict[str, float]:
        """Merge what the processes have seen and compute the metrics."""
        merged: dict[str, CategoryScores] = {}
        for part in results:
            for name, scores in part.items():
                total = merged.setdefault(
                    name, CategoryScores(self.exact_limit)
                )
                total.merge(scores)
        if not merged:
            raise ValueError(
                'AnomalyMetric has seen no image: is the data set empty?'
            )
        of_category: dict[str, dict[str, float]] = {}
        metrics: dict[str, float] = {}
        for name in sorted(merged):
            scores = merged[name]
            self._warn(name, scores)
            of_category[name] = {**scores.image_metrics(), **scores.rates()}
            if self.pixel:
                of_category[name].update(scores.pixel_metrics(self.fpr_limit))
            prefix = '' if list(merged) == [UNNAMED] else f'{name}/'
            if prefix:
                for key, value in of_category[name].items():
                    metrics[prefix + key] = value
            for defect, value in scores.defect_auroc().items():
                metrics[f'{prefix}{defect}/image_auroc'] = value
        return {**_means(list(of_category.values())), **metrics}

    def _warn(self, category: str, scores: CategoryScores) -> None:
        for problem in scores.problems(self.pixel):
            print_log(
                f'category {category}: {problem}',
                logger='current',
                level=logging.WARNING,
            )

    def _add(self, category: str, image: dict[str, Any]) -> None:
        if category not in self._categories:
            self._categories[category] = CategoryScores(self.exact_limit)
        self._categories[category].add(**image)


def _means(of_category: list[dict[str, float]]) -> dict[str, float]:
    """Average each metric over the categories where it is defined."""
    means = {}
    for key in of_category[0]:
        values = [metrics[key] for metrics in of_category]
        defined = [value for value in values if not math.isnan(value)]
        means[key] = float(np.mean(defined)) if defined else math.nan
    return means
