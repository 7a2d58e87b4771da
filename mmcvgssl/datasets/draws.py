"""Random draws of a few images of each class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def draw_seed(seed: int, run: int) -> int:
    """Return the seed of one of several draws.

    Those of seed 0 are the runs' own numbers, as in the published protocol;
    those of other seeds share none with them, nor with each other.

    Args:
        seed: Seed of all draws.
        run: Number of the draw, from 0.

    Returns:
        A number below 2**32.

    Example:
        >>> draw_seed(0, 3)
        3
        >>> draw_seed(1, 3) == draw_seed(2, 3)
        False
    """
    if seed == 0:
        return run
    state = np.random.SeedSequence([seed, run]).generate_state(1)
    # the upper half of the range, which runs of seed 0 never use
    return int(state[0]) | 2**31


def draw_shots(
    labels: Sequence[int] | np.ndarray,
    shots: int,
    seed: int,
    names: Sequence[str] | None = None,
) -> np.ndarray:
    """Draw ``shots`` images of each class without replacement.

    Args:
        labels: Class index of each training image.
        shots: Images a class.
        seed: Seed of the draw; classes are drawn in order from one generator.
        names: Class names, for messages.

    Returns:
        Indices into ``labels``, class by class.

    Raises:
        ValueError: If a class has fewer images than ``shots``.

    Example:
        >>> drawn = draw_shots([0, 0, 0, 1, 1], shots=2, seed=0)
        >>> drawn.shape, sorted(drawn.tolist())[-2:]
        ((4,), [3, 4])
    """
    labels = np.asarray(labels)
    classes, counts = np.unique(labels, return_counts=True)
    short = [
        f'{names[c] if names else c} has {n}'
        for c, n in zip(classes, counts, strict=True)
        if n < shots
    ]
    if shots < 1 or short:
        raise ValueError(
            f'{shots} images of each class were asked for; '
            f'{"; ".join(short) or "at least 1 is needed"}'
        )
    random = np.random.RandomState(seed)
    return np.concatenate(
        [
            random.choice(np.flatnonzero(labels == c), shots, replace=False)
            for c in classes
        ]
    )
