"""Embeddings of the fitting images, in folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from mmcvgssl.models.anomaly.blocks import place_in_block
from mmcvgssl.models.anomaly.coreset import PatchPool
from mmcvgssl.models.anomaly.density import Gaussian, KernelDensity
from mmcvgssl.models.anomaly.fitted_state import part_of


class FoldRows:
    """Embeddings of one fold: all, or a sample of the patches.

    Args:
        pool: Size of the sample; None: all rows.
        seed: Seed of the sample.
    """

    def __init__(self, pool: int | None, seed: int = 0) -> None:
        self.count = 0
        self._all: list[Tensor] = []
        self._pool = None if pool is None else PatchPool(pool, seed)

    def add(self, rows: Tensor) -> None:
        """Add the embeddings [P, C] of an image."""
        self.count += 1
        if self._pool is None:
            self._all.append(rows)
        else:
            self._pool.add(rows)

    def rows(self) -> Tensor:
        """Return [n, P, C]; a sample of patches as [n, 1, C]."""
        if self._pool is None:
            return torch.stack(self._all)
        return self._pool.patches()[:, None]

    def state_dict(self) -> dict[str, Tensor]:
        """Return the embeddings so far."""
        state = {'count': torch.tensor(self.count)}
        if self._pool is not None:
            return {**state, **self._pool.state_dict()}
        return {**state, 'rows': self.rows()} if self._all else state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        self.count = int(state['count'])
        if self._pool is not None:
            self._pool.load_state_dict(state)
        else:
            self._all = list(state['rows']) if 'rows' in state else []


class Folds:
    """Embeddings of all images, dealt to folds one by one.

    Args:
        count: Number of folds.
        pool: See :class:`FoldRows`.

    Attributes:
        folds: The folds.
        images: Number of images.
        total: Sum of the pooled features that were given, [C].
    """

    def __init__(self, count: int, pool: int | None = None) -> None:
        self.folds = [FoldRows(pool, seed) for seed in range(count)]
        self.images = 0
        self.total = torch.zeros(1)

    def add(
        self,
        rows: Tensor,
        pooled: Tensor | None = None,
        of_one: bool = False,
    ) -> None:
        """Add embeddings [N, P, C] and the sum of pooled features [C].

        Args:
            rows: Embeddings of N images, or of N tiles.
            pooled: Sum over the images; of tiles their mean.
            of_one: Whether they are tiles of one image, which go to one fold.
        """
        if pooled is not None:
            self.total = self.total.to(pooled) + pooled
        for row in rows:
            fold = place_in_block(self.images, len(self.folds))
            self.folds[fold].add(row)
            self.images += not of_one
        self.images += of_one

    def state_dict(self) -> dict[str, Tensor]:
        """Return the embeddings so far."""
        state = {'images': torch.tensor(self.images), 'total': self.total}
        for i, fold in enumerate(self.folds):
            state |= {f'{i}.{k}': v for k, v in fold.state_dict().items()}
        return state

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        self.images, self.total = int(state['images']), state['total']
        for i, fold in enumerate(self.folds):
            fold.load_state_dict(part_of(state, str(i)))


def fit_density(
    density: Gaussian | KernelDensity,
    folds: Sequence[FoldRows],
    by_position: bool,
) -> dict[str, Tensor]:
    """Fit a density to all rows of some folds.

    Args:
        density: The density to fit.
        folds: Embeddings by fold; folds without an image are left out.
        by_position: Fit one for each position.
    """
    rows = torch.cat([fold.rows() for fold in folds if fold.count])
    if not by_position:
        return density.fit(rows.flatten(0, 1))
    fits = [density.fit(position) for position in rows.unbind(1)]
    return {key: torch.stack([f[key] for f in fits]) for key in fits[0]}


def fit_without_each(
    density: Gaussian | KernelDensity,
    folds: Sequence[FoldRows],
    by_position: bool,
) -> dict[str, Tensor]:
    """Fit, for each fold, a density to the others; see :func:`split`."""
    count = min(len(folds), sum(fold.count for fold in folds))
    made = {}
    for k in range(count):
        others = [*folds[:k], *folds[k + 1 :]]
        for name, value in fit_density(density, others, by_position).items():
            made[f'{k}.{name}'] = value
    return made


def split(made: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    """Return the densities of :func:`fit_without_each` one by one."""
    count = len({name.partition('.')[0] for name in made})
    return [part_of(made, str(k)) for k in range(count)]


def predict_in_folds(
    images: Tensor,
    before: int,
    folds: int,
    predict: Callable[[Tensor, int], tuple[Tensor, ...]],
) -> tuple[Tensor, Tensor]:
    """Predict each image by the model of its fold, in the images' order.

    Args:
        images: Images [N, 3, H, W], dealt to folds one by one.
        before: Number of images before them.
        folds: Number of folds.
        predict: Returns maps [n, h, w] and scores [n] of images by the model
            of a fold, and maybe more.
    """
    numbers = range(before, before + len(images))
    fold = torch.tensor([place_in_block(n, folds) for n in numbers])
    made, order = [], []
    for k in fold.unique().tolist():
        indices = (fold == k).nonzero()[:, 0]
        # where all are of one fold, no copy is made
        whole = len(indices) == len(images)
        part = images if whole else images[indices.to(images.device)]
        made.append(predict(part, k))
        order.append(indices)
    back = torch.cat(order).argsort().to(images.device)
    maps = torch.cat([each[0] for each in made])
    scores = torch.cat([each[1] for each in made])
    return maps[back], scores[back]


def join_tiles(
    parts: Sequence[tuple[Tensor, Tensor | None]],
) -> tuple[Tensor, Tensor | None]:
    """Join what is known of an image's tiles.

    Args:
        parts: Embeddings [n, P, C] of some tiles, and the sum [C] of their
            pooled features, if there is one.

    Returns:
        Embeddings [T, P, C] of all, and the mean of their pooled features, as
        each image counts once.
    """
    rows = torch.cat([part for part, _ in parts])
    sums = [pooled for _, pooled in parts if pooled is not None]
    return rows, torch.stack(sums).sum(0) / len(rows) if sums else None
