"""Loading backbone weights, with a report of every key.

How names differ between packages is in :mod:`mmcvgssl.weights.names`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from torch import Tensor, nn

from mmcvgssl.weights.errors import KeyMismatchError
from mmcvgssl.weights.files import backbone_state, read_checkpoint

# What a classifier head is called in mmpretrain, timm and torchvision. A
# whole `head.` would also excuse norm layers that timm keeps there.
HEAD_PREFIXES = (
    'fc.',
    'classifier.',
    'head.fc.',
    'head.weight',
    'head.bias',
    'heads.',
)
# What may stand in a file beside the backbone, without being used.
EXTRA_PREFIXES = (*HEAD_PREFIXES, 'head.', 'neck.', 'bbox_head.')
# Counts batches since the start of training; no forward pass reads it.
COUNTER = 'num_batches_tracked'


@dataclass
class KeyReport:
    """Which keys of a module and of weights met.

    Args:
        matched: Keys of both, with equal shapes.
        missing: Keys of the module that the weights lack.
        unexpected: Keys of the weights that the module lacks.
        mismatched: Keys of both, each with both shapes as text.
    """

    matched: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unexpected: list[str] = field(default_factory=list)
    mismatched: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Say what matched, and name every key that did not."""
        total = len(self.matched) + len(self.missing) + len(self.mismatched)
        lines = [f'matched: {len(self.matched)} of {total} keys of the model']
        for name in ('missing', 'unexpected', 'mismatched'):
            keys = getattr(self, name)
            listed = f': {", ".join(keys)}' if keys else ''
            lines.append(f'{name}: {len(keys)}{listed}')
        return '\n'.join(lines)


def compare(module: nn.Module, state: Mapping[str, Tensor]) -> KeyReport:
    """Compare names and shapes of a module and of weights."""
    report = KeyReport()
    own = module.state_dict()
    for key, value in own.items():
        if key not in state:
            report.missing.append(key)
        elif value.shape != state[key].shape:
            shapes = tuple(value.shape), tuple(state[key].shape)
            text = '{} (model {}, weights {})'.format(key, *shapes)
            report.mismatched.append(text)
        else:
            report.matched.append(key)
    report.unexpected = [key for key in state if key not in own]
    return report


def load_backbone(
    module: nn.Module,
    path_or_state: str | Path | Mapping[str, Any],
    allow_missing: Sequence[str] = HEAD_PREFIXES,
) -> KeyReport:
    """Load backbone weights, or change nothing and say why they do not fit.

    Args:
        module: The backbone; it may hold a classifier head.
        path_or_state: A file or what :func:`backbone_state` takes.
        allow_missing: Prefixes of keys that the weights need not hold.

    Raises:
        KeyMismatchError: If another key is missing, a shape differs, or a
            key is left over that belongs to no head or neck.
        FileNotFoundError: If the file does not exist.
        ValueError: If it cannot be read as weights.
    """
    if isinstance(path_or_state, (str, Path)):
        source = f'{path_or_state}'
        state = backbone_state(read_checkpoint(path_or_state))
    else:
        source = 'a state dict'
        state = backbone_state(path_or_state)
    report = load_checked(module, state, source, allow_missing)
    print_log(
        f'Loaded {source} into {type(module).__name__}\n{report.summary()}',
        logger='current',
    )
    return report


def load_checked(
    module: nn.Module,
    state: Mapping[str, Tensor],
    source: str,
    allow_missing: Sequence[str] = HEAD_PREFIXES,
) -> KeyReport:
    """Load tensors as :func:`load_backbone` does, without logging.

    ``source`` says in messages where the tensors come from.

    Raises:
        KeyMismatchError: As :func:`load_backbone`.
    """
    report = compare(module, state)
    missing = _others(report.missing, allow_missing)
    unexpected = _others(report.unexpected, EXTRA_PREFIXES)
    name = type(module).__name__
    if missing or unexpected or report.mismatched:
        raise KeyMismatchError(
            f'The weights of {source} do not fit {name}: '
            f'{len(report.matched)} keys match; the model misses '
            f'{_first(missing)}; the weights have besides '
            f'{_first(unexpected)}; other shapes: '
            f'{_first(report.mismatched)}. Build the model with the settings '
            'of the backbone that was trained (architecture, depth, image '
            'size), or take a checkpoint of this architecture with its '
            "package's names; tools/export_backbone.py gives a trained "
            'backbone those of another.'
        )
    module.load_state_dict(state, strict=False)
    return report


def _others(keys: Sequence[str], prefixes: Sequence[str]) -> list[str]:
    return [
        k
        for k in keys
        if not k.startswith(tuple(prefixes)) and not k.endswith(COUNTER)
    ]


def _first(keys: Sequence[str], count: int = 3) -> str:
    more = f' and {len(keys) - count} more' if len(keys) > count else ''
    return (', '.join(keys[:count]) or 'nothing') + more
