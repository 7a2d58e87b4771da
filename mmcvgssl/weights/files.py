"""Reading weights from files, without running what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

SUFFIXES = ('.pth', '.pt', '.safetensors')


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a ``.pth``, ``.pt`` or ``.safetensors`` file, never its code.

    Returns:
        What the file holds; tensors are on the CPU.

    Raises:
        FileNotFoundError: If the file does not exist.
        ValueError: If it is of another kind or cannot be read safely.
    """
    path = Path(path).expanduser()
    if path.suffix not in SUFFIXES:
        raise ValueError(
            f'Expected weights in a file {", ".join(SUFFIXES)}, got {path}. '
            'Rename or convert it.'
        )
    if not path.is_file():
        raise FileNotFoundError(
            f'Expected weights in {path}, found no such file. Check the path.'
        )
    try:
        if path.suffix == '.safetensors':
            held: Any = load_file(path)
        else:
            held = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:
        raise ValueError(
            f'Expected weights and plain data in {path}, but it cannot be '
            f'read as such: {error}. Download it again, or save it anew as a '
            'plain state dict.'
        ) from error
    if not isinstance(held, dict):
        raise ValueError(
            f'Expected a dict of weights in {path}, got '
            f'{type(held).__name__}. Save `model.state_dict()` instead.'
        )
    return held


def backbone_state(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the backbone's tensors under the backbone's own names.

    Args:
        checkpoint: A whole model's checkpoint (``state_dict`` with keys
            ``backbone.*``), or a state dict of a model or of a backbone; a
            leading ``module.`` is dropped.

    Raises:
        ValueError: If there are no tensors, or anything else beside them.
    """
    state = checkpoint.get('state_dict', checkpoint)
    others = [k for k, v in state.items() if not torch.is_tensor(v)]
    if others or not state:
        got = f'also {", ".join(map(str, others[:3]))}' if others else 'none'
        raise ValueError(
            "Expected tensors by name, at the top or under 'state_dict', "
            f'got {got}. Pass a checkpoint of a training run or a plain '
            'state dict.'
        )
    state = {k.removeprefix('module.'): v for k, v in state.items()}
    prefix = 'backbone.'
    inner = {
        k.removeprefix(prefix): v
        for k, v in state.items()
        if k.startswith(prefix)
    }
    return inner or state
