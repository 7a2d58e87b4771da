"""Images drawn from a collection, and their patches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from mmcvgssl.models.anomaly.patch_features import as_rows


class Draw:
    """Chooses images at random, a fixed number of all that come.

    Every image gets a random key; those with the largest keys stay. Keys do
    not depend on the images, so every process knows which are needed.

    Args:
        size: Number of images at most.
        seed: Seed of the keys.
    """

    full = stops = False

    def __init__(self, size: int, seed: int = 0) -> None:
        self._size = size
        self._random = torch.Generator().manual_seed(seed)
        self._largest: list[float] = []

    def choose(
        self, categories: Sequence[str]
    ) -> tuple[list[int], list[float]]:
        """Draw keys for the next images; return the chosen ones with keys."""
        keys = torch.rand(
            len(categories), generator=self._random, dtype=torch.float64
        ).tolist()
        largest = self._largest
        bar = largest[-1] if len(largest) == self._size else -1.0
        chosen = [i for i, key in enumerate(keys) if key > bar]
        chosen_keys = [keys[i] for i in chosen]
        self._largest = sorted([*largest, *chosen_keys], reverse=True)[
            : self._size
        ]
        return chosen, chosen_keys

    def state_dict(self) -> dict[str, Tensor]:
        """Return the keys so far, and how they go on."""
        return {
            'largest': torch.tensor(self._largest, dtype=torch.float64),
            'random': self._random.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        self._largest = state['largest'].tolist()
        self._random.set_state(state['random'].cpu())


class References:
    """Patches of the images with the largest keys, in half precision.

    With 100 images of 56 x 56 patches of width 256 at three scales these are
    480 MB. A file of them is as large, and the time between two files grows
    with the time that one takes.

    Args:
        size: Number of images at most.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._references: list[tuple[float, int, list[Tensor]]] = []

    def __len__(self) -> int:
        return len(self._references)

    @property
    def images(self) -> int:
        """Number of images that references are of, copies among them."""
        # keys of an image's tiles differ by whole numbers
        return len({round(key % 1, 9) for key, _, _ in self._references})

    def add(
        self,
        keys: Sequence[float],
        names: Sequence[int],
        scales: Sequence[Tensor],
    ) -> None:
        """Take images by key and identity, with maps [N, D, h, w] a scale."""
        for i, (key, name) in enumerate(zip(keys, names, strict=True)):
            # a copy: a view would hold the whole batch in memory
            rows = [as_rows(maps[i : i + 1]).clone() for maps in scales]
            self._references.append((key, name, rows))
        self._references.sort(key=lambda item: -item[0])
        del self._references[self._size :]

    def tensors(self) -> dict[str, Tensor]:
        """Return identities [R] and, a scale, patches [R, L, D]."""
        references = self._references
        names = [name for _, name, _ in references]
        made = {'identities': torch.tensor(names)}
        for i in range(len(references[0][2]) if references else 0):
            made[f'patches.{i}'] = torch.stack(
                [rows[i] for _, _, rows in references]
            )
        return made

    def state_dict(self) -> dict[str, Tensor]:
        """Return the references and their keys."""
        keys = [key for key, _, _ in self._references]
        return {
            'keys': torch.tensor(keys, dtype=torch.float64),
            **self.tensors(),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        scales = [state[f'patches.{i}'] for i in range(len(state) - 2)]
        self._references = [
            (key, name, [rows[i].clone() for rows in scales])
            for i, (key, name) in enumerate(
                zip(
                    state['keys'].tolist(),
                    state['identities'].tolist(),
                    strict=True,
                )
            )
        ]
