"""The device that a model runs on."""

from __future__ import annotations

import torch


def choose_device(name: str | None = None) -> torch.device:
    """Return a device that is there.

    Args:
        name: Such as ``'cpu'``, ``'cuda'`` or ``'cuda:1'``; None: the GPU, if
            there is one.

    Raises:
        ValueError: If it is no device, or this machine has none of the kind.

    Example:
        >>> choose_device('cpu')
        device(type='cpu')
    """
    found = torch.cuda.is_available()
    if name is None:
        return torch.device('cuda' if found else 'cpu')
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ValueError(
            f"expected a device such as 'cpu', 'cuda' or 'cuda:1', got "
            f'{name!r:.40}'
        ) from error
    count = torch.cuda.device_count() if found else 0
    if device.type == 'cuda' and (device.index or 0) >= count:
        raise ValueError(
            f'expected a device of this machine, got {name!r}, and PyTorch '
            f"finds {count} GPUs: leave it out, or name 'cpu'"
        )
    return device
