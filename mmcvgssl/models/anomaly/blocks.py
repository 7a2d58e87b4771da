"""Which images are held out, or are of a fold, as they come one by one.

Names often have a period, as of five cameras in turns, so that each fifth
image would be of one camera. In each block of images the places are drawn
instead; they depend on the number of an image alone.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

_SEED = 0


def block_size(share: float, option: str) -> int:
    """Return n, as one image of each n is held out.

    Args:
        share: Share of the images to hold out.
        option: It is given by, for messages.

    Raises:
        ValueError: If the share is out of range.
    """
    if not isinstance(share, (int, float)) or not 0 < share <= 0.5:
        raise ValueError(
            f'{option} is a share above 0 and up to 0.5, got {share!r}: 0.2 '
            'holds one of each five images out'
        )
    return round(1 / share)


def place_in_block(number: int, size: int) -> int:
    """Return the drawn place of an image among those of its block.

    The first block is in order, so that a few images fill folds one by one.

    Args:
        number: Number of images before it.
        size: Images of a block.

    Example:
        >>> sorted(place_in_block(number, 5) for number in range(20, 25))
        [0, 1, 2, 3, 4]
    """
    block, index = divmod(number, size)
    return _order(block, size)[index] if block else index


def is_held_out(number: int, every: int) -> bool:
    """Whether an image is the one of its ``every`` that is held out.

    Args:
        number: Number of images before it.
        every: Images of a block.
    """
    return place_in_block(number, every) == every - 1


def count_held_out(total: int, every: int) -> int:
    """Return how many of ``total`` images are held out."""
    blocks = total // every
    rest = range(blocks * every, total)
    return blocks + sum(is_held_out(number, every) for number in rest)


@lru_cache(maxsize=64)
def _order(block: int, size: int) -> list[int]:
    random = np.random.default_rng([_SEED, block])
    return random.permutation(size).tolist()
