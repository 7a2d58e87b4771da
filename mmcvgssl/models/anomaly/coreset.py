"""Coresets: few patches that represent many."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmcvgssl.models.layers import linear

_CANDIDATES = 512
# rows whose distances to the chosen are in memory at once: 16 MiB and 256 MiB
_BLOCK, _DEVICE_BLOCK = 1 << 13, 1 << 17


class PatchPool:
    """A uniform sample of a stream of patches, of bounded size.

    Every patch gets a random key; those with the largest keys stay. They are
    in one block of memory: many small ones, between the large ones that a
    network needs for a moment, would leave it no room to come again.

    Args:
        size: Patches in the sample at most.
        seed: Seed of the keys.
    """

    def __init__(self, size: int, seed: int = 0) -> None:
        self.size = size
        self.seen = 0
        self._random = torch.Generator().manual_seed(seed)
        self._count = 0
        self._rows = torch.zeros(0, 0)
        self._keys = torch.zeros(0, dtype=torch.float64)
        self._least = -1.0

    def add(self, rows: Tensor) -> None:
        """Add patches [n, D]."""
        keys = torch.rand(
            len(rows), generator=self._random, dtype=torch.float64
        )
        self.seen += len(rows)
        while len(keys):
            chosen = keys > self._least
            keys, rows = keys[chosen], rows[chosen.to(rows.device)]
            self._make_room(rows)
            end = self._count + min(len(keys), len(self._keys) - self._count)
            part = slice(self._count, end)
            fits = end - self._count
            self._keys[part], self._rows[part] = keys[:fits], rows[:fits]
            keys, rows, self._count = keys[fits:], rows[fits:], end

    def state_dict(self) -> dict[str, Tensor]:
        """Return the sample so far, and the state of the generator."""
        state = {
            'seen': torch.tensor(self.seen),
            'random': self._random.get_state(),
            'least': torch.tensor(self._least, dtype=torch.float64),
        }
        if self._count:
            state['keys'] = self._keys[: self._count].clone()
            state['rows'] = self._rows[: self._count].clone()
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        self.seen, self._least = int(state['seen']), float(state['least'])
        self._random.set_state(state['random'].cpu())
        self._count = 0
        if 'keys' in state:
            # copies, as later patches are written beside them
            self._keys = state['keys'].cpu().clone()
            self._rows = state['rows'].clone()
            self._count = len(self._keys)

    def patches(self) -> Tensor:
        """Return the sample, [min(size, seen), D]."""
        self._reduce()
        return self._rows[: self._count]

    def _make_room(self, rows: Tensor) -> None:
        """Have room for some of these rows, at most for 1.25 of the size."""
        most = self.size + max(self.size // 4, 1)
        wanted = min(self._count + len(rows), most)
        if self._count >= most:
            self._reduce()
        elif wanted > len(self._keys):
            # so that there are few larger blocks, too
            length = min(max(wanted, 2 * len(self._keys)), most)
            for name, like in (('_rows', rows), ('_keys', self._keys)):
                block = like.new_empty(length, *like.shape[1:])
                if self._count:
                    block[: self._count] = getattr(self, name)[: self._count]
                setattr(self, name, block)

    def _reduce(self) -> None:
        if self._count <= self.size:
            return
        keys, top = self._keys[: self._count].topk(self.size)
        rows = self._rows[: self._count][top.to(self._rows.device)]
        self._least = float(keys[-1])
        self._count = self.size
        self._keys[: self._count], self._rows[: self._count] = keys, rows


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
    nearest = _distances(rows, squares, rows[chosen[0]]).squeeze(1)
    nearest[first] = -1  # not chosen again, even if equal patches exist
    while count < size:
        m = min(_CANDIDATES, n - 1)
        top = nearest.topk(m + 1)
        bound, candidates = top.values[m], top.indices[:m]
        group = _greedy_among(
            rows[candidates], top.values[:m], float(bound), size - count
        )
        picked = candidates[group]
        _bring_nearer(nearest, rows, squares, picked)
        nearest[picked] = -1
        chosen.append(picked)
        count += len(picked)
        if progress is not None:
            progress(len(picked))
    return torch.cat(chosen)


def _bring_nearer(
    nearest: Tensor, rows: Tensor, squares: Tensor, picked: Tensor
) -> None:
    """Bring squared distances [n] up to date, in place.

    The table of all rows and those picked is made in blocks of a few sizes,
    as memory for many sizes would be that of their sum.
    """
    length = _BLOCK if rows.is_cpu else _DEVICE_BLOCK
    others = rows[picked]
    for start in range(0, len(rows), length):
        part = slice(start, start + length)
        table = _distances(rows[part], squares[part], others)
        torch.minimum(nearest[part], table.amin(1), out=nearest[part])


def _greedy_among(
    rows: Tensor, nearest: Tensor, bound: float, limit: int
) -> list[int]:
    """Choose farthest candidates while none outside can be farther."""
    nearest = nearest.clone()
    group: list[int] = []
    mutual = _distances(rows, rows.square().sum(1), rows)
    while len(group) < limit:
        best = int(nearest.argmax())
        if group and float(nearest[best]) <= bound:
            break
        group.append(best)
        nearest = torch.minimum(nearest, mutual[best])
        nearest[best] = -1
    return group


def _distances(rows: Tensor, squares: Tensor, picked: Tensor) -> Tensor:
    """Squared Euclidean distances of rows to the picked ones, [n, m]."""
    table = linear(rows, -2 * picked, picked.square().sum(1))
    return table.add_(squares[:, None]).clamp_(min=0)
