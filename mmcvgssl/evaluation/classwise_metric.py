"""Precision and recall of each class, by its name."""

from __future__ import annotations

from typing import Any

from mmpretrain.evaluation import SingleLabelMetric

from mmcvgssl.registry import METRICS

_SUFFIX = '_classwise'


@METRICS.register_module()
class ClasswiseMetric(SingleLabelMetric):
    """mmpretrain's ``SingleLabelMetric``, with a number for each class.

    The host gives a list by index; here each number has the name of its class
    (``dataset_meta``), as mmdet names the precision of a class:
    ``CLASS_precision``, ``CLASS_recall`` and ``CLASS_f1-score`` in percent,
    and ``CLASS_support``, the number of images.

    Args:
        items: Metrics to compute, see the host.
        **kwargs: Options of the host, without ``average``.

    Example:
        >>> from mmpretrain.structures import DataSample
        >>> metric = METRICS.build(
        ...     dict(type='mmcvgssl.ClasswiseMetric', items=('recall',))
        ... )
        >>> metric.dataset_meta = dict(classes=('good', 'crack'))
        >>> for truth, label in ((0, 0), (1, 1), (1, 0)):
        ...     sample = DataSample(num_classes=2)
        ...     sample = sample.set_gt_label(truth).set_pred_label(label)
        ...     metric.process(None, [sample.to_dict()])
        >>> metric.evaluate(size=3)['single-label/crack_recall']
        50.0
    """

    def __init__(
        self,
        items: tuple[str, ...] = (
            *('precision', 'recall', 'f1-score', 'support'),
        ),
        **kwargs,
    ) -> None:
        super().__init__(items=items, average=None, **kwargs)

    def compute_metrics(self, results: list[Any]) -> dict[str, float]:
        """Compute the host's metrics, and name them."""
        lists = super().compute_metrics(results)
        names = (self.dataset_meta or {}).get('classes')
        found = {}
        for key, values in lists.items():
            of = names or range(len(values))
            for name, value in zip(of, values, strict=True):
                found[f'{name}_{key.replace(_SUFFIX, "")}'] = float(value)
        return found
