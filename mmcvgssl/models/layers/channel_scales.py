"""Mean and standard deviation of channels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def channel_scales(
    mean: Sequence[float], std: Sequence[float]
) -> dict[str, Tensor]:
    """Return ``mean`` and ``std`` [3, 1, 1] to normalise images with.

    Args:
        mean: Mean of R, G and B.
        std: Their standard deviation.

    Raises:
        ValueError: If they are not of three channels, or ``std`` is not
            positive.

    Example:
        >>> scales = channel_scales([127.5] * 3, [127.5] * 3)
        >>> scales['mean'].shape
        torch.Size([3, 1, 1])
    """
    made = {}
    for name, numbers in (('mean', mean), ('std', std)):
        if len(numbers) != 3 or (name == 'std' and not min(numbers) > 0):
            raise ValueError(
                f'{name}: expected a number for each of R, G and B'
                f'{", above 0" if name == "std" else ""}, got {numbers}'
            )
        made[name] = torch.tensor(numbers).float().view(-1, 1, 1)
    return made
