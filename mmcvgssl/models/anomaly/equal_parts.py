"""Images that pass a network in parts of one size, whatever the batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from mmcvgssl.processes import compute_threads, limited_threads

# images that pass an accelerator at once
ON_ACCELERATOR = 8


def in_equal_parts(
    images: Tensor,
    samples: Sequence,
    predict: Callable[[Tensor, list[Any]], tuple[Tensor, ...]],
) -> tuple[Tensor, ...]:
    """Predict a batch in parts whose size does not depend on it.

    Networks round in another order for another number of images or threads.
    With both fixed, an image has the same map, bit by bit, beside whichever
    others it comes: one by one on a CPU, which takes no longer there, by
    eight on an accelerator, the last part filled up.

    Args:
        images: RGB [N, 3, H, W] in [0, 1], N > 0.
        samples: Data samples of the images.
        predict: Returns tensors [n, ...] of n images, such as their maps.

    Returns:
        These tensors of all images, [N, ...].
    """
    here = images.device.type == 'cpu'
    size = 1 if here else ON_ACCELERATOR
    made = []
    with limited_threads(compute_threads()):
        for first in range(0, len(images), size):
            part = images[first : first + size]
            owners = list(samples[first : first + size])
            count = len(part)
            if count < size:
                # what is filled in gets no data samples of its own: it is
                # the last image again
                more = size - count
                part = torch.cat([part, part[-1:].expand(more, -1, -1, -1)])
                owners += owners[-1:] * more
            made.append([each[:count] for each in predict(part, owners)])
    return tuple(torch.cat(each) for each in zip(*made, strict=True))
