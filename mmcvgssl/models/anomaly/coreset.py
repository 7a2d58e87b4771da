"""Coresets: few patches that represent many."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmcvgssl.models.anomaly.neighbours import products

_CANDIDATES = 512
_PARTS = 256  # of a pool, until they are joined


class PatchPool:
    """A uniform sample of a stream of patches, of bounded size.

    Every patch gets a random key; those with the largest keys stay.

    Args:
        size: Patches in the sample at most.
        seed: Seed of the keys.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self.seen = 0
        self._random = torch.Generator().manual_seed(seed)
        self._rows: list[Tensor] = []
        self._keys: list[Tensor] = []
        self._held = 0
        self._least = -1.0

    def add(self, rows: Tensor) -> None:
        """Add patches [n, D]."""
        keys = torch.rand(
            len(rows), generator=self._random, dtype=torch.float64
        )
        self.seen += len(rows)
        chosen = keys > self._least
        self._rows.append(rows[chosen.to(rows.device)])
        self._keys.append(keys[chosen])
        self._held += int(chosen.sum())
        # batches of which hardly any patch stays would be many small parts
        many = len(self._keys) >= _PARTS
        if many or self._held > 1.25 * self.size:
            self._reduce()

    def state_dict(self) -> dict[str, Tensor]:
        """Return the sample so far, and the state of the generator."""
        state = {
            'seen': torch.tensor(self.seen),
            'random': self._random.get_state(),
            'least': torch.tensor(self._least, dtype=torch.float64),
        }
        if self._keys:
            state['keys'] = torch.cat(self._keys)
            state['rows'] = torch.cat(self._rows)
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        self.seen, self._least = int(state['seen']), float(state['least'])
        self._random.set_state(state['random'].cpu())
        self._keys = [state['keys'].cpu()] if 'keys' in state else []
        self._rows = [state['rows']] if 'rows' in state else []
        self._held = sum(map(len, self._keys))

    def patches(self) -> Tensor:
        """Return the sample, [min(size, seen), D]."""
        self._reduce()
        return self._rows[0]

    def _reduce(self) -> None:
        keys, rows = torch.cat(self._keys), torch.cat(self._rows)
        if len(keys) > self.size:
            keys, top = keys.topk(self.size)
            rows = rows[top.to(rows.device)]
            self._least = float(keys[-1])
        self._keys, self._rows = [keys], [rows]
        self._held = len(keys)


def greedy_coreset(
    patches: Tensor, size: int, seed: int = 0, progress=None
) -> Tensor:
    """Choose patches that cover the rest, by greedy k-centre.

    Source: "Towards Total Recall in Industrial Anomaly Detection",
    https://arxiv.org/abs/2106.08265 (the use), Gonzalez 1985 (the method).

    The result is that of the plain method, which takes the patch farthest
    from all chosen ones again and again. Distances only ever shrink, so a
    candidate that stays above the largest distance outside the candidates
    is the farthest of all: a whole group is chosen from the candidates alone
    and all distances are brought up to date by one matrix product.

    Args:
        patches: [n, D].
        size: How many to choose.
        seed: Seed of the first one.
        progress: Called with the number chosen in each round.

    Returns:
        Indices [min(size, n)], in the order of choice.

    Raises:
        ValueError: If ``size`` is not positive or there are no patches.

    Example:
        >>> patches = torch.tensor([[0.0], [0.1], [5.0], [9.9], [10.0]])
        >>> chosen = patches[greedy_coreset(patches, 3)].flatten()
        >>> sorted(chosen.round().tolist())
        [0.0, 5.0, 10.0]
    """
    n = len(patches)
    if size < 1 or n == 0:
        raise ValueError(
            f'expected a positive coreset size and patches, got size {size} '
            f'and {n} patches'
        )
    if size >= n:
        return torch.arange(n, device=patches.device)
    # centred rows give the same distances with less cancellation
    rows = patches.float() - patches.float().mean(0)
    squares = rows.square().sum(1)
    random = torch.Generator().manual_seed(seed)
    first = int(torch.randint(n, (1,), generator=random))
    chosen = [torch.tensor([first], device=rows.device)]
    count = 1
    nearest = _distances(rows, squares, chosen[0]).squeeze(1)
    nearest[first] = -1  # not chosen again, even if equal patches exist
    while count < size:
        m = min(_CANDIDATES, n - 1)
        top = nearest.topk(m + 1)
        bound, candidates = top.values[m], top.indices[:m]
        group = _greedy_among(
            rows[candidates], top.values[:m], float(bound), size - count
        )
        picked = candidates[group]
        new = _distances(rows, squares, picked).amin(1)
        nearest = torch.minimum(nearest, new)
        nearest[picked] = -1
        chosen.append(picked)
        count += len(picked)
        if progress is not None:
            progress(len(picked))
    return torch.cat(chosen)


def _greedy_among(
    rows: Tensor, nearest: Tensor, bound: float, limit: int
) -> list[int]:
    """Choose farthest candidates while none outside can be farther."""
    nearest = nearest.clone()
    group: list[int] = []
    everyone = torch.arange(len(rows), device=rows.device)
    mutual = _distances(rows, rows.square().sum(1), everyone)
    while len(group) < limit:
        best = int(nearest.argmax())
        if group and float(nearest[best]) <= bound:
            break
        group.append(best)
        nearest = torch.minimum(nearest, mutual[best])
        nearest[best] = -1
    return group


def _distances(rows: Tensor, squares: Tensor, picked: Tensor) -> Tensor:
    """Squared Euclidean distances of all rows to the picked ones."""
    table = products(rows, -2 * rows[picked], squares[picked])
    return table.add_(squares[:, None]).clamp_(min=0)
