"""Share of views whose nearest embedding is of the same image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.evaluator import BaseMetric
from torch import Tensor

from mmcvgssl.registry import METRICS


def nearest_is_own(embeddings: Tensor) -> Tensor:
    """Whether the nearest view of each view is of the same image.

    Distances are cosines to all other views of all images. A view as near to
    a foreign one as to its own has not found it, so that embeddings that
    have collapsed find nothing; what is not finite has not, either.

    Args:
        embeddings: [N, V, D] of V views of N images.

    Returns:
        bool [N, V].

    Raises:
        ValueError: If there are fewer than two images or views.
    """
    if embeddings.ndim != 3 or min(embeddings.shape[:2]) < 2:
        raise ValueError(
            'expected embeddings [N, V, D] of at least 2 images and 2 views, '
            f'got {list(embeddings.shape)}'
        )
    n, v, _ = embeddings.shape
    rows = F.normalize(embeddings.double().flatten(0, 1), dim=1)
    # float32 makes cosines of equal vectors exactly equal
    cosines = (rows @ rows.T).float()
    image = torch.arange(n, device=rows.device).repeat_interleave(v)
    own = image[:, None] == image
    foreign = cosines.masked_fill(own, -torch.inf).amax(1)
    itself = torch.eye(n * v, dtype=torch.bool, device=rows.device)
    nearest = cosines.masked_fill(~own | itself, -torch.inf).amax(1)
    return (nearest > foreign).view(n, v)


@METRICS.register_module()
class ContrastiveAccuracy(BaseMetric):
    """Share of views whose nearest other view is of the same image.

    A data sample has ``embeddings`` [V, D], one for each view of an image, as
    :class:`mmcvgssl.engine.ViewsValLoop` gives. Images compete in groups of
    neighbours in the data set, so that neither the loader's batches nor the
    number of processes count; more images in a group make it harder.

    The result is ``contrastive_accuracy`` in [0, 1].

    Args:
        group_size: Fewest images in a group, or all if there are fewer.
        collect_device: See mmengine's ``BaseMetric``.
        prefix: Prefix of the name of the result.
        collect_dir: See mmengine's ``BaseMetric``.

    Raises:
        ValueError: If a group is smaller than two images, or in evaluation
            the data set is, or a sample has fewer than two views.

    Example:
        >>> metric = ContrastiveAccuracy()
        >>> views = torch.eye(2)[:, None].repeat(1, 2, 1)  # 2 images, 2 views
        >>> metric.process(None, [dict(embeddings=own) for own in views])
        >>> metric.evaluate(size=2)
        {'contrastive_accuracy': 1.0}
    """

    default_prefix = ''

    def __init__(
        self,
        group_size: int = 64,
        collect_device: str = 'cpu',
        prefix: str | None = None,
        collect_dir: str | None = None,
    ) -> None:
        super().__init__(collect_device, prefix, collect_dir)
        if group_size < 2:
            raise ValueError(
                f'group_size is at least 2 images, got {group_size}'
            )
        self.group_size = group_size

    def process(
        self, data_batch: Any, data_samples: Sequence[Mapping[str, Any]]
    ) -> None:
        """Add the embeddings of a batch."""
        for sample in data_samples:
            self.results.append(sample['embeddings'].detach().float().cpu())

    def compute_metrics(self, results: list[Tensor]) -> dict[str, float]:
        """Count over all images."""
        embeddings = torch.stack(results)
        groups = max(len(embeddings) // self.group_size, 1)
        found = [
            nearest_is_own(group) for group in embeddings.tensor_split(groups)
        ]
        return {'contrastive_accuracy': float(torch.cat(found).float().mean())}
