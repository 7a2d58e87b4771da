"""Values of more than 8 bits: which of them are black and white."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

# floats that use less than a twentieth of (0, 255) have another range
_FLOAT_SHARE = 255 / 20


def check_depth_range(depth_range: Sequence[float] | None) -> None:
    """Refuse a range that is not two increasing numbers.

    Raises:
        ValueError: If it is neither None nor two finite numbers, in order.
    """
    if depth_range is None:
        return
    try:
        low, high = (float(value) for value in depth_range)
        good = np.isfinite([low, high]).all() and low < high
    except (TypeError, ValueError):
        good = False
    if not good:
        raise ValueError(
            'depth_range must be (low, high), the values that become black '
            f'and white, as (0, 4095) for 12 bits; got {depth_range!r}'
        )


def common_range(
    extremes: Iterable[tuple[float, float]], floats: bool
) -> tuple[float, float]:
    """Choose the range of files from the values they hold.

    Integers start at 0 and end at the next 2^k - 1, so that a camera of 12
    bits gets (0, 4095) although no pixel is white; negative ones start at
    -2^k. Floats get (0, 1) or (0, 255) where these fit, integers' range
    beyond, and else what they hold.

    Args:
        extremes: Smallest and largest value of each file.
        floats: Whether the files hold floats.
    """
    lows, highs = zip(*extremes, strict=True)
    low, high = float(min(lows)), float(max(highs))
    if floats:
        if low >= 0 and high <= 1:
            return 0.0, 1.0
        if low < 0 or high <= _FLOAT_SHARE:
            return low, high if high > low else low + 1
    top = float(2 ** max(int(high).bit_length(), 8) - 1)
    if low < 0:
        return -float(2 ** (int(-low) - 1).bit_length()), max(top, 0.0)
    return 0.0, top


def to_uint8(
    values: np.ndarray, depth_range: tuple[float, float]
) -> np.ndarray:
    """Scale values to 0 to 255; those outside the range are clipped."""
    low, high = depth_range
    wide = values.dtype.itemsize > 4 or (
        values.dtype.itemsize == 4 and values.dtype.kind != 'f'
    )
    scaled = values.astype(np.float64 if wide else np.float32)
    np.subtract(scaled, low, out=scaled)
    np.multiply(scaled, 255 / (high - low), out=scaled)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)
