"""Images that pass a network one by one, whatever the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mmcvgssl.processes import compute_threads, limited_threads


def in_equal_parts(
    images: Tensor,
    samples: Sequence,
    predict: Callable[[Tensor, list[Any]], tuple[Tensor, ...]],
) -> tuple[Tensor, ...]:
    """Predict a batch in parts whose size does not depend on it.

    Networks round in another order for another number of images or threads.
    On a CPU images pass one by one, which takes no longer there, so that an
    image has the same map, bit by bit, beside whichever others it comes. An
    accelerator, which needs full batches, computes them as they come: there
    the last bits may differ.

    Args:
        images: RGB [N, 3, H, W] in [0, 1], N > 0.
        samples: Data samples of the images.
        predict: Returns tensors [n, ...] of n images, such as their maps.

    Returns:
        These tensors of all images, [N, ...].
    """
    if images.device.type != 'cpu':
        return predict(images, list(samples))
    with limited_threads(compute_threads()):
        made = [
            predict(images[i : i + 1], [sample])
            for i, sample in enumerate(samples)
        ]
    return tuple(torch.cat(each) for each in zip(*made, strict=True))
