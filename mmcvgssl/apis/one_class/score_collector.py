"""Scores and embeddings of tested images, for tables and plots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.evaluator import BaseMetric


class ScoreCollector(BaseMetric):
    """Collects score, label and embedding of each tested image."""

    default_prefix = ''

    def __init__(self) -> None:
        super().__init__()
        self.collected: list[dict[str, Any]] = []

    def process(self, data_batch: Any, data_samples: Sequence[Any]) -> None:
        """Take in a batch."""
        for sample in data_samples:
            self.results.append(
                {
                    'path': sample['img_path'],
                    'defect': sample.get('defect') or '',
                    'label': int(sample['gt_label']),
                    'score': float(sample['anomaly_score']),
                    'embedding': sample['embedding'].cpu().numpy(),
                }
            )

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather what all processes have seen."""
        super().evaluate(size)
        return {}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Store the results, in the data set's order."""
        self.collected = results
        return {'images': len(results)}
