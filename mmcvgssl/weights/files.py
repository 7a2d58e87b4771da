"""Reading weights from files, without running what is in them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_safetensors
from torch import Tensor

from mmcvgssl.compat.safe_load import UNSAFE_ENV, may_run_code
from mmcvgssl.weights.errors import WeightsError

SUFFIXES = ('.pth', '.pt', '.safetensors')
# What a pickle asks for besides data, in torch's words.
_GLOBAL = re.compile(r'GLOBAL (\S+)')
# Other names that files of torch go by.
_TORCH = (*SUFFIXES[:2], '.bin', '.ckpt', '.tar')
# Under what weights stand in a checkpoint, and what wrappers put before them.
_NESTS = ('state_dict', 'model')
_WRAPPERS = ('module.', '_orig_mod.')


def read_checkpoint(
    path: str | Path, option: str = '', fallback: str = ''
) -> dict[str, Any]:
    """Read a file of torch or ``.safetensors``, never its code.

    Args:
        path: The file.
        option: Name of the option that holds the path, for messages.
        fallback: Advice if the file is missing, for messages.

    Returns:
        What the file holds; tensors are on the CPU.

    Raises:
        FileNotFoundError: If the file does not exist.
        WeightsError: If it is of another kind, cut off, or cannot be read
            safely.
    """
    path = Path(path).expanduser()
    of = f'`{option}`: ' if option else ''
    if path.suffix not in (*_TORCH, SUFFIXES[2]):
        raise WeightsError(
            f'{of}Expected weights in a file {", ".join(SUFFIXES)}, got '
            f'{path}. Rename or convert it.'
        )
    if not path.is_file():
        raise FileNotFoundError(
            f'{of}Expected weights in {path}, found no such file. Check the '
            f'path. {fallback}'.rstrip()
        )
    try:
        if path.suffix == SUFFIXES[2]:
            content: Any = load_file(path)
        else:
            safe = not may_run_code()
            content = torch.load(path, map_location='cpu', weights_only=safe)
        _check_sizes(content, path.stat().st_size)
    except Exception as error:
        text = ' '.join(str(error).split()) or type(error).__name__
        code = isinstance(error, UnpicklingError) and _GLOBAL.search(text)
        if code:  # torch says much else before it
            text = f'it asks for {code[1]}, which is code'
        raise WeightsError(
            f'{of}Expected weights and plain data, but {path} cannot be read '
            f'as such: {text[:160]}. Download it again, or save it anew as a '
            f'plain state dict.{_trust(error)}'
        ) from error
    if not isinstance(content, dict):
        raise WeightsError(
            f'{of}Expected a dict of weights in {path}, got '
            f'{type(content).__name__}. Save `model.state_dict()` instead.'
        )
    return content


def _trust(error: Exception) -> str:
    """Say how to read a file that holds more than plain data, if it does."""
    if not (isinstance(error, UnpicklingError) and _GLOBAL.search(str(error))):
        return ''
    return f' Only if you trust whoever made it: {UNSAFE_ENV}=1 reads it.'


def plain_state(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return a model's tensors by its own names.

    Args:
        checkpoint: Tensors by name, at the top or under ``state_dict`` or
            ``model``; a leading ``module.`` or ``_orig_mod.`` is dropped.

    Raises:
        WeightsError: If there are no tensors, or anything else beside them.

    Example:
        >>> one = torch.ones(1)
        >>> plain_state({'state_dict': {'module.conv.weight': one}})
        {'conv.weight': tensor([1.])}
    """
    state: Any = checkpoint
    for nest in _NESTS:
        if isinstance(checkpoint.get(nest), Mapping):
            state = checkpoint[nest]
            break
    others = [k for k, v in state.items() if not torch.is_tensor(v)]
    if others or not state:
        got = f'also {", ".join(map(str, others[:3]))}' if others else 'none'
        raise WeightsError(
            "Expected tensors by name, at the top or under 'state_dict', "
            f'got {got}. Pass a checkpoint of a training run or a plain '
            'state dict.'
        )
    return {_bare(str(key)): value for key, value in state.items()}


def backbone_state(checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the backbone's tensors under the backbone's own names.

    Args:
        checkpoint: A whole model's (with keys ``backbone.*``), or of a
            backbone alone; as of :func:`plain_state`.

    Raises:
        WeightsError: If there are no tensors, or anything else beside them.
    """
    state = plain_state(checkpoint)
    prefix = 'backbone.'
    inner = {
        k.removeprefix(prefix): v
        for k, v in state.items()
        if k.startswith(prefix)
    }
    return inner or state


def _bare(key: str) -> str:
    for prefix in _WRAPPERS:
        key = key.removeprefix(prefix)
    return key


def _check_sizes(content: Any, size: int) -> None:
    """Refuse tensors of more numbers than their file has bytes."""
    for value in _tensors(content):
        if value.numel() > size:
            raise ValueError(
                f'a tensor of {tuple(value.shape)} in a file of {size} bytes'
            )


def _tensors(content: Any) -> Iterator[Tensor]:
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if torch.is_tensor(value):
            yield value
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, (list, tuple)):
            waiting += value


def safetensors_bytes(
    tensors: Mapping[str, Tensor], texts: Mapping[str, str]
) -> bytes:
    """Return a safetensors file: of equal contents, equal bytes.

    Args:
        tensors: Tensors by name.
        texts: Its metadata.
    """
    # own, dense memory: views and channels-last tensors are refused
    plain = {
        k: v.detach().cpu().clone(memory_format=torch.contiguous_format)
        for k, v in tensors.items()
    }
    data = to_safetensors(plain, dict(texts))
    # the order of the header is left to chance
    end = 8 + int.from_bytes(data[:8], 'little')
    text = json.dumps(
        json.loads(data[8:end]), sort_keys=True, ensure_ascii=False
    ).encode()
    text += b' ' * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, 'little') + text + data[end:]
