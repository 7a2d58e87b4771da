"""A few normal images of each category."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor

from mmcvgssl.models.anomaly.fitted_state import FittedStateError
from mmcvgssl.models.anomaly.gathered import as_tensor, from_tensor
from mmcvgssl.models.anomaly.neighbours import nearest_cosine


class FirstOfEach:
    """Chooses the first images of each category.

    Args:
        count: Images wanted of each.
        wanted: The categories.
        name: Checks and completes the categories of a batch.
    """

    stops = True

    def __init__(
        self,
        count: int,
        wanted: Iterable[str],
        name: Callable[[Sequence[str]], Sequence[str]],
    ) -> None:
        self._count, self._name = count, name
        self._found = dict.fromkeys(sorted(wanted), 0)

    @property
    def full(self) -> bool:
        """Whether no image is needed any more."""
        return all(n >= self._count for n in self._found.values())

    def choose(self, categories: Sequence[str]) -> tuple[list[int], list[str]]:
        """Return indices and categories of the images that are needed."""
        names = self._name(categories)
        chosen = []
        for i, name in enumerate(names):
            if self._found.get(name, self._count) < self._count:
                self._found[name] += 1
                chosen.append(i)
        return chosen, [names[i] for i in chosen]

    def state_dict(self) -> dict[str, Tensor]:
        """Return the numbers of images so far."""
        return {'found': as_tensor(self._found)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        self._found = from_tensor(state['found'])


class NormalImages:
    """Patch features of normal images, by category."""

    def __init__(self) -> None:
        self.by_category: dict[str, list[Tensor]] = {}

    def add(self, names: Iterable[str], features: Iterable[Tensor]) -> None:
        """Add features [S, L, D] of images."""
        for name, one in zip(names, features, strict=True):
            self.by_category.setdefault(name, []).append(one)

    def read(
        self,
        paths: Mapping[str, Sequence[str]],
        features: Callable[[str], Tensor],
    ) -> None:
        """Add images by their paths.

        Args:
            paths: Paths by category.
            features: Gives features [S, L, D] of an image file.
        """
        for name, files in paths.items():
            self.add([name] * len(files), [features(file) for file in files])

    def state_dict(self) -> dict[str, Tensor]:
        """Return the features and their categories."""
        names = [
            name
            for name, features in self.by_category.items()
            for _ in features
        ]
        features = [
            one for features in self.by_category.values() for one in features
        ]
        return {
            'names': as_tensor(names),
            **{str(i): one for i, one in enumerate(features)},
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        names = from_tensor(state['names'])
        self.by_category = {}
        self.add(names, [state[str(i)] for i in range(len(names))])


def memories(
    by_category: Mapping[str, list[Tensor]], k: int
) -> dict[str, Tensor]:
    """Join the patches of each category's images, by category and block.

    Args:
        by_category: Features [S, L, D] of each image, of S blocks.
        k: Images that each category needs.

    Returns:
        [k * L, D] as ``category/block``.

    Raises:
        ValueError: If a category has fewer images.
    """
    state = {}
    for name, features in by_category.items():
        if len(features) < k:
            raise ValueError(
                f'KeAD(k={k}) needs {k} normal images of {name!r}, got '
                f'{len(features)}; give more, or lower k'
            )
        for level, rows in enumerate(torch.cat(features, dim=1)):
            state[f'{name}/{level}'] = rows.clone()
    return state


def distances(
    patches: Tensor, names: Sequence[str], state: Mapping[str, Tensor], k: int
) -> Tensor:
    """Compare patches with the memories of their images' categories.

    Args:
        patches: Patches of unit length, [S, N, L, D].
        names: Names of the categories of N images, or one of all.
        state: Result of :func:`memories`.
        k: Images of each category, for the message.

    Returns:
        [N, L] in [0, 1].

    Raises:
        FittedStateError: If there is no memory of a category.
    """
    out = patches.new_empty(patches.shape[1:3])
    for name in dict.fromkeys(names):
        if f'{name}/0' not in state:
            fitted = sorted({key.rsplit('/', 1)[0] for key in state})
            raise FittedStateError(
                f'KeAD(k={k}) has seen no normal images of {name!r}, only of '
                f'{", ".join(fitted)}; fit it with images of all categories'
            )
        rows = [i for i, other in enumerate(names) if other == name]
        levels = [
            nearest_cosine(
                level if len(names) == 1 else level[rows], state[f'{name}/{i}']
            )
            for i, level in enumerate(patches)
        ]
        if len(names) == 1:
            return torch.stack(levels).mean(0)
        out[rows] = torch.stack(levels).mean(0)
    return out
