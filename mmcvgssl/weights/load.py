"""Loading weights by one of three policies, with a report of every key.

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
from mmcvgssl.weights.tables import INDEX, resize_tables
from mmcvgssl.weights.values import check_values, first

# What a classifier head is called in mmpretrain, timm and torchvision. A
# whole `head.` would also excuse norm layers that timm has there.
HEAD_PREFIXES = (
    'fc.',
    'classifier.',
    'head.fc.',
    'head.weight',
    'head.bias',
    'heads.',
)
# Parts of a file beside the backbone that may remain unused.
EXTRA_PREFIXES = (*HEAD_PREFIXES, 'head.', 'neck.', 'bbox_head.')
# Counts batches since the start of training; no forward pass reads it.
COUNTER = 'num_batches_tracked'
LEAST = 0.95


@dataclass(frozen=True)
class Policy:
    """By how much weights and a module may differ.

    Args:
        missing: Prefixes of keys that the weights need not hold.
        extra: Prefixes of keys that may be left over.
        least: Share of the module's weights, and of the file's, that must
            fit, in [0, 1]; the rest starts anew and is named, and position
            tables are resized. None: all must.
    """

    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    least: float | None = None


# exactly the keys of a module
EXACT = Policy()
# A whole backbone; a head or neck may come and go.
BACKBONE = Policy(HEAD_PREFIXES, EXTRA_PREFIXES)
# Nearly all of a backbone: the next stage differs at the edges.
FITTING = Policy((), EXTRA_PREFIXES, LEAST)


@dataclass
class KeyReport:
    """Which keys of a module and of weights met.

    Args:
        matched: Keys of both, with equal shapes and kinds of numbers.
        missing: Keys of the module that the weights lack.
        unexpected: Keys of the weights that the module lacks.
        mismatched: Keys of both, each with both shapes or kinds as text.
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
            if not keys:
                continue
            lines.append(f'{name}: {len(keys)}: {", ".join(keys)}')
        return '\n'.join(lines)


def compare(module: nn.Module, state: Mapping[str, Tensor]) -> KeyReport:
    """Compare names, shapes and kinds of a module and of weights.

    Example:
        >>> import torch
        >>> report = compare(nn.Linear(2, 1), {'weight': torch.ones(1, 2)})
        >>> report.matched, report.missing
        (['weight'], ['bias'])
    """
    report = KeyReport()
    own = module.state_dict()
    for key, value in own.items():
        if key not in state:
            report.missing.append(key)
            continue
        other = state[key]
        if value.shape != other.shape:
            ours, theirs = str(tuple(value.shape)), str(tuple(other.shape))
        elif value.is_floating_point() != _is_real(other):
            ours, theirs = (
                str(v.dtype).removeprefix('torch.') for v in (value, other)
            )
        else:
            report.matched.append(key)
            continue
        report.mismatched.append(f'{key} (model {ours}, weights {theirs})')
    report.unexpected = [key for key in state if key not in own]
    return report


def load(
    module: nn.Module,
    source: str | Path | Mapping[str, Any],
    policy: Policy = BACKBONE,
    name: str = 'a state dict',
    log: bool = True,
) -> KeyReport:
    """Load weights, or change nothing and say why they cannot be used.

    Args:
        module: Which takes them.
        source: A file, or what :func:`backbone_state` takes.
        policy: How much keys may differ.
        name: Name of a source that is no file, for messages.
        log: Whether to write what was loaded to the log.

    Raises:
        KeyMismatchError: If they differ by more.
        FileNotFoundError: If the file does not exist.
        WeightsError: If it cannot be read as weights, or holds NaN or
            infinity.
    """
    if isinstance(source, (str, Path)):
        name, source = f'{source}', read_checkpoint(source)
    state: Mapping[str, Tensor] = source
    if policy != EXACT:
        state = backbone_state(source)
    kind = type(module).__name__
    if policy.least is not None:
        state = resize_tables(module, state)
        report = fit_report(module, state)
        require_share(report, kind, name, policy)
    else:
        report = compare(module, state)
        _require_all(report, kind, name, policy)
    check_values(state, name, module.state_dict())
    fitting = {key: state[key] for key in report.matched}
    module.load_state_dict(fitting, strict=False)
    if log:
        print_log(
            f'Loaded {name} into {kind}\n{report.summary()}', logger='current'
        )
    return report


def fit_report(module: nn.Module, state: Mapping[str, Tensor]) -> KeyReport:
    """Compare weights; what follows from the model's settings is left out.

    That are counters of batches and indices of position tables.
    """
    report = compare(module, state)
    for keys in (report.matched, report.missing, report.mismatched):
        keys[:] = [k for k in keys if not _derived(k)]
    report.unexpected = [k for k in report.unexpected if not _derived(k)]
    return report


def require_share(
    report: KeyReport,
    kind: str,
    source: str,
    policy: Policy = FITTING,
) -> None:
    """Stop where too few weights of a module, or of a file, fit.

    Raises:
        KeyMismatchError: Names all that do not.
    """
    least, matched = policy.least or 0.0, len(report.matched)
    own = matched + len(report.missing) + len(report.mismatched)
    left = [k for k in report.unexpected if not k.startswith(policy.extra)]
    # what a deeper network has besides is as wrong as what is missing
    total = max(own, matched + len(report.mismatched) + len(left))
    if not matched or matched < least * total:
        raise KeyMismatchError(
            f'Expected weights for at least {least:.0%} of {kind}, got '
            f'{matched} of {total} from {source}. Build the backbone with '
            'the settings that it was trained with, or take a checkpoint of '
            "this architecture with its package's names; tools/"
            'export_backbone.py gives a trained backbone those of another.\n'
            f'{report.summary()}'
        )


def core_of(
    model: nn.Module, state: Mapping[str, Tensor]
) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return a model's backbone, or itself, and the weights meant for it."""
    core, start = getattr(model, 'backbone', None), 'backbone.'
    if not isinstance(core, nn.Module):
        return model, dict(state)
    return core, {
        key.removeprefix(start): value
        for key, value in state.items()
        if key.startswith(start)
    }


def require_fit(
    model: nn.Module, state: Mapping[str, Tensor], source: str
) -> None:
    """Stop where too few weights of a model's backbone fit.

    What the model itself converts while loading counts as it then is; the
    weights are loaded where that has to be tried.

    Raises:
        KeyMismatchError: Names all that do not.
    """
    core, inner = core_of(model, resize_tables(model, state))
    report = fit_report(core, inner)
    kind = type(core).__name__
    try:
        require_share(report, kind, source)
    except KeyMismatchError:
        try:
            found = core.load_state_dict(inner, strict=False)
        except RuntimeError:
            found = None  # shapes differ after all
        if found is None:
            raise
        missing = {*found.missing_keys}
        own = [k for k in core.state_dict() if not _derived(k)]
        report = KeyReport(
            [k for k in own if k not in missing],
            [k for k in own if k in missing],
            [k for k in found.unexpected_keys if not _derived(k)],
        )
        require_share(report, kind, source)


def require_whole(
    model: nn.Module, state: Mapping[str, Tensor], source: str
) -> None:
    """Stop where a checkpoint is not all of a model, or more.

    What the model itself converts while loading counts as it then is; the
    weights are loaded where that has to be tried.

    Raises:
        KeyMismatchError: Says what does not fit.
    """
    report = compare(model, state)
    missing = _others(report.missing, ())
    left = _others(report.unexpected, ())
    if not (missing or left or report.mismatched):
        return
    try:
        found = model.load_state_dict(dict(state), strict=False)
        missing = _others(found.missing_keys, ())
        left = _others(found.unexpected_keys, ())
    except RuntimeError:
        pass  # shapes differ after all
    else:
        if not (missing or left):
            return
        report.mismatched = []
    raise KeyMismatchError(
        f'{source} is no checkpoint of this {type(model).__name__}: '
        f'{len(report.matched)} weights fit; the model misses '
        f'{first(missing)}; the checkpoint has besides {first(left)}; other '
        f'shapes or kinds: {first(report.mismatched)}. Take the config that '
        'it was trained with, or a checkpoint of this config'
    )


def _require_all(
    report: KeyReport, kind: str, source: str, policy: Policy
) -> None:
    missing = _others(report.missing, policy.missing)
    unexpected = _others(report.unexpected, policy.extra)
    if missing or unexpected or report.mismatched:
        raise KeyMismatchError(
            f'The weights of {source} do not fit {kind}: '
            f'{len(report.matched)} keys match; the model misses '
            f'{first(missing)}; the weights have besides '
            f'{first(unexpected)}; other shapes or kinds: '
            f'{first(report.mismatched)}. Build the model with the settings '
            'of the backbone that was trained (architecture, depth, image '
            'size), or take a checkpoint of this architecture with its '
            "package's names; mmcvgssl export-backbone gives a trained "
            'backbone those of another.'
        )


def _others(keys: Sequence[str], prefixes: tuple[str, ...]) -> list[str]:
    return [
        k for k in keys if not (k.startswith(prefixes) or k.endswith(COUNTER))
    ]


def _derived(key: str) -> bool:
    # a mismatched key is followed by its shapes
    return key.split(' ')[0].endswith((COUNTER, INDEX))


def _is_real(value: Tensor) -> bool:
    return value.dtype.is_floating_point or value.dtype.is_complex
