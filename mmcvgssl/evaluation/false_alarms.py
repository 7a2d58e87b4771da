"""False alarms of a detector on good images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from mmcvgssl.registry import METRICS


def false_alarms(
    scores: Sequence[np.ndarray], thresholds: Sequence[float]
) -> dict[str, float]:
    """Count the boxes that are found on good images.

    Args:
        scores: Scores of the boxes of each good image, [n] each.
        thresholds: Scores from which a box is an alarm.

    Returns:
        For each threshold t, ``images_t``, the share of images with an alarm
        in [0, 1], and ``boxes_t``, the alarms per image.

    Example:
        >>> false_alarms([np.array([0.2, 0.6]), np.array([0.1])], [0.5])
        {'images_0.5': 0.5, 'boxes_0.5': 0.5}
    """
    found = {}
    for limit in thresholds:
        counts = np.array([(own >= limit).sum() for own in scores])
        found[f'images_{limit:g}'] = float((counts > 0).mean())
        found[f'boxes_{limit:g}'] = float(counts.mean())
    return found


@METRICS.register_module()
class FalseAlarms(BaseMetric):
    """False alarms of a detector, on the images of a test set without boxes.

    A data sample has ``pred_instances.scores`` [n] and its true boxes, either
    the metainfo ``instances`` or ``gt_instances``. See :func:`false_alarms`
    for the results; ``good_images`` is the number of images they are of.
    Without a good image there are none.

    Args:
        thresholds: Scores from which a box is an alarm.
        collect_device: See mmengine's ``BaseMetric``.
        prefix: Prefix of the names of the results.

    Raises:
        ValueError: If a threshold is out of [0, 1]; in :meth:`process`, if a
            data sample has no true boxes.

    Example:
        >>> import torch
        >>> metric = FalseAlarms(thresholds=[0.5])
        >>> boxes = dict(scores=torch.tensor([0.7, 0.2]))
        >>> metric.process(None, [dict(pred_instances=boxes, instances=[])])
        >>> metric.evaluate(size=1)['false_alarms/images_0.5']
        1.0
    """

    default_prefix = 'false_alarms'

    def __init__(
        self,
        thresholds: Sequence[float] = (0.1, 0.3, 0.5),
        collect_device: str = 'cpu',
        prefix: str | None = None,
    ) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        if not thresholds or not all(0 <= limit <= 1 for limit in thresholds):
            raise ValueError(
                'thresholds of FalseAlarms are scores in [0, 1], got '
                f'{list(thresholds)}'
            )
        self.thresholds = tuple(thresholds)

    def process(
        self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]
    ) -> None:
        """Collect the scores of good images."""
        for sample in data_samples:
            if 'instances' in sample:
                truth = len(sample['instances'])
            elif 'gt_instances' in sample:
                truth = len(sample['gt_instances']['labels'])
            else:
                raise ValueError(
                    'FalseAlarms needs the true boxes: add "instances" to '
                    'meta_keys of the last step of the test pipeline'
                )
            if not truth:
                scores = sample['pred_instances']['scores']
                self.results.append(scores.detach().cpu().numpy())
            else:
                self.results.append(
                    None
                )  # one entry an image: ranks merge by the data set's size

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Count over all good images."""
        good = [scores for scores in results if scores is not None]
        if not good:
            return {}
        return {
            'good_images': float(len(good)),
            **false_alarms(good, self.thresholds),
        }
