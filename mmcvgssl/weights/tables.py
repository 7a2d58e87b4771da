"""Relative position tables of windows of another size."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

TABLE, INDEX = 'relative_position_bias_table', 'relative_position_index'


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
        if not key.endswith(TABLE) or want is None or table.ndim != 2:
            continue
        if table.shape == want.shape or table.shape[1:] != want.shape[1:]:
            continue
        old, new = (round(len(t) ** 0.5) for t in (table, want))
        if not (old and old * old == len(table) and new * new == len(want)):
            continue
        heads = table.shape[1]
        grid = table.T.reshape(1, heads, old, old).float()
        # offsets grow with the window: corners stay corners
        grid = F.interpolate(
            grid, (new, new), mode='bicubic', align_corners=True
        )
        resized[key] = grid.reshape(heads, new * new).T.to(table.dtype)
    return resized
