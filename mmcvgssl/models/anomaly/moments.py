"""Running mean and covariance."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmcvgssl.models.anomaly.state_forms import Form, Forms


class Moments:
    """Running mean and covariance of rows [p, n, D], in float64.

    Args:
        origin: A first guess of the mean, float64 [p, 1, D]: about it little
            is lost to cancellation.
    """

    def __init__(self, origin: Tensor) -> None:
        self.origin = origin
        p, _, width = origin.shape
        self.count = 0
        self.total = torch.zeros_like(origin)
        self.outer = origin.new_zeros(p, width, width)

    @classmethod
    def going_on(
        cls, known: Mapping[str, Tensor], width: int, device: torch.device
    ) -> Moments:
        """Return what gave :meth:`packed`, or new sums of rows of any size.

        Args:
            known: Result of :meth:`packed`, or nothing.
            width: D, of new sums at one position.
            device: Of new sums.
        """
        if known:
            return cls.unpacked(known)
        return cls(torch.zeros(1, 1, width, dtype=torch.double, device=device))

    def sums(self, rows: Tensor) -> tuple[int, Tensor, Tensor]:
        """Return number, sum and sum of products of centred rows."""
        centred = rows.double() - self.origin
        return (
            rows.shape[1],
            centred.sum(1, keepdim=True),
            centred.transpose(1, 2) @ centred,
        )

    def add(self, count: int, total: Tensor, outer: Tensor) -> None:
        """Add the result of :meth:`sums`."""
        self.count += count
        self.total += total
        self.outer += outer

    def result(self) -> tuple[Tensor, Tensor]:
        """Return the mean [p, D] and the covariance [p, D, D]."""
        shift = self.total / self.count
        covariance = self.outer / self.count - shift.transpose(1, 2) @ shift
        return (self.origin + shift).squeeze(1), covariance

    def packed(self) -> dict[str, Tensor]:
        """Return all of it, of the symmetric sums of products one half."""
        row, column = self._half()
        return {**self.state_dict(), 'origin': self.origin} | {
            'outer': self.outer[:, row, column]
        }

    @classmethod
    def unpacked(cls, state: Mapping[str, Tensor]) -> Moments:
        """Return what gave these with :meth:`packed`."""
        made = cls(state['origin'])
        row, column = made._half()
        outer = torch.zeros_like(made.outer)
        outer[:, row, column] = outer[:, column, row] = state['outer']
        made.load_state_dict({**state, 'outer': outer})
        return made

    def _half(self) -> tuple[Tensor, Tensor]:
        """Return rows and columns of the upper half of a matrix."""
        width = self.origin.shape[2]
        row, column = torch.triu_indices(width, width)
        return row, column

    def state_dict(self) -> dict[str, Tensor]:
        """Return the sums so far."""
        count = torch.tensor(self.count)
        return {'count': count, 'total': self.total, 'outer': self.outer}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        self.count = int(state['count'])
        self.total, self.outer = state['total'], state['outer']


def moments_forms(positions: int | str, width: int) -> Forms:
    """Return the forms of what :meth:`Moments.packed` gives.

    Args:
        positions: p.
        width: D.
    """
    half = width * (width + 1) // 2
    return {
        'moments.count': Form((), torch.int64),
        'moments.origin': Form((positions, 1, width), torch.float64),
        'moments.total': Form((positions, 1, width), torch.float64),
        'moments.outer': Form((positions, half), torch.float64),
    }
