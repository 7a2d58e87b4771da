"""A few normal images of each category."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from torch import Tensor

from mmcvgssl.models.anomaly.gathered import as_tensor, from_tensor


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
        """Return places and categories of the images that are needed."""
        names = self._name(categories)
        chosen = []
        for i, name in enumerate(names):
            if self._found.get(name, self._count) < self._count:
                self._found[name] += 1
                chosen.append(i)
        return chosen, [names[i] for i in chosen]

    def state_dict(self) -> dict[str, Tensor]:
        """Return what was found."""
        return {'found': as_tensor(self._found)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        self._found = from_tensor(state['found'])


class NormalImages:
    """Patch features of images, by category in the order of the first one."""

    def __init__(self) -> None:
        self.kept: dict[str, list[Tensor]] = {}

    def add(self, names: Iterable[str], features: Iterable[Tensor]) -> None:
        """Take features [S, L, D] of images."""
        for name, one in zip(names, features, strict=True):
            self.kept.setdefault(name, []).append(one)

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that is kept."""
        names = [name for name, held in self.kept.items() for _ in held]
        features = [one for held in self.kept.values() for one in held]
        return {
            'names': as_tensor(names),
            **{str(i): one for i, one in enumerate(features)},
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take what :meth:`state_dict` gave."""
        names = from_tensor(state['names'])
        self.kept = {}
        self.add(names, [state[str(i)] for i in range(len(names))])
