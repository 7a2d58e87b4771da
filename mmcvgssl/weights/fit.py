"""Loading what fits of a checkpoint, if that is nearly all of a backbone.

The next stage of a pretraining differs at the edges: a Swin gets output
norms, a window another size, a head other classes.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from mmengine.logging import print_log
from torch import Tensor, nn

from mmcvgssl.weights.errors import KeyMismatchError
from mmcvgssl.weights.load import (
    COUNTER,
    EXTRA_PREFIXES,
    KeyReport,
    compare,
)

LEAST = 0.95
TABLE, INDEX = 'relative_position_bias_table', 'relative_position_index'


def load_fitting(
    module: nn.Module,
    state: Mapping[str, Tensor],
    source: str,
    least: float = LEAST,
) -> KeyReport:
    """Load the weights that fit a backbone, or nothing if they are too few.

    Args:
        module: The backbone.
        state: Tensors by the backbone's own names.
        source: Where they come from, for messages.
        least: Share of the backbone's weights, and of those in the state,
            that must fit, in [0, 1].

    Raises:
        KeyMismatchError: If fewer fit; names all that do not.
    """
    state = resize_tables(module, state)
    report = fit_report(module, state)
    require_share(report, type(module).__name__, source, least)
    fitting = {key: state[key] for key in report.matched}
    module.load_state_dict(fitting, strict=False)
    print_log(
        f'Loaded {source} into {type(module).__name__}\n{report.summary()}',
        logger='current',
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
    report: KeyReport, name: str, source: str, least: float = LEAST
) -> None:
    """Stop where too few weights of a module, or of a file, fit.

    Raises:
        KeyMismatchError: Names all that do not.
    """
    matched = len(report.matched)
    own = matched + len(report.missing) + len(report.mismatched)
    left = [k for k in report.unexpected if not k.startswith(EXTRA_PREFIXES)]
    # what a deeper network has besides is as wrong as what is missing
    total = max(own, matched + len(report.mismatched) + len(left))
    if not matched or matched < least * total:
        raise KeyMismatchError(
            f'Expected weights for at least {least:.0%} of {name}, got '
            f'{matched} of {total} from {source}. Build the backbone with '
            'the settings that it was trained with, or take a checkpoint of '
            "this architecture with its package's names; tools/"
            'export_backbone.py gives a trained backbone those of another.\n'
            f'{report.summary()}'
        )


def resize_tables(
    module: nn.Module, state: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """Resize relative position tables to the module's windows.

    Tables are [(2w - 1)^2, heads] for windows of w patches a side.
    """
    own = module.state_dict()
    resized = dict(state)
    for key, table in state.items():
        want = own.get(key)
        if not key.endswith(TABLE) or want is None:
            continue
        if table.shape == want.shape or table.shape[1:] != want.shape[1:]:
            continue
        old, new = (round(len(t) ** 0.5) for t in (table, want))
        heads = table.shape[1]
        grid = table.T.reshape(1, heads, old, old).float()
        # offsets grow with the window: corners stay corners
        grid = F.interpolate(
            grid, (new, new), mode='bicubic', align_corners=True
        )
        resized[key] = grid.reshape(heads, new * new).T.to(table.dtype)
    return resized


def _derived(key: str) -> bool:
    # a mismatched key is followed by its shapes
    return key.split(' ')[0].endswith((COUNTER, INDEX))
