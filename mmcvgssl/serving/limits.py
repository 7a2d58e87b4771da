"""What a visitor of the page may send."""

from __future__ import annotations

import math
from dataclasses import dataclass

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What a visitor may send.

    Args:
        max_mb: Largest file of an image, megabytes.
        max_images: Most images of a session.
        sessions: Most sessions at once.
        patience: Seconds without a sign of the page after which its session
            ends.

    Raises:
        ValueError: If one is out of range.

    Example:
        >>> Limits(max_mb=2).max_bytes
        2000000
    """

    max_mb: float = 64
    max_images: int = 5000
    sessions: int = 50
    patience: float = 900.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.max_mb) and self.max_mb > 0):
            raise ValueError(
                'expected a largest file of more than 0 megabytes (--max-mb), '
                f'got {self.max_mb}'
            )
        if self.max_images < 1:
            raise ValueError(
                'expected 1 image or more a session (--max-images), got '
                f'{self.max_images}'
            )

    @property
    def max_bytes(self) -> int:
        """Largest file of an image, bytes."""
        return int(self.max_mb * MEGABYTE)
