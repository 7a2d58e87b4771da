"""The file of an anomaly map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

_MAKE = 'make the maps with tools/make_maps.py'


class MapError(ValueError):
    """A map, or the list of maps, that is not what it should be."""


def read_map(path: str | Path) -> np.ndarray:
    """Read a ``.npy`` map, float32 [h, w]; pickled objects are refused.

    Args:
        path: The file, of floating-point numbers.

    Raises:
        FileNotFoundError: If there is no such file.
        MapError: If it is not what tools/make_maps.py writes: cannot be
            read, is not 2-D and floating-point, or has values that are not
            finite.
    """
    again = f'remove it and {_MAKE}'
    try:
        with open(path, 'rb') as stream:
            held = np.load(stream, allow_pickle=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'no anomaly map {path}; {_MAKE}') from error
    except (ValueError, EOFError, OSError) as error:
        if 'pickle' in str(error):
            raise MapError(
                f'{path} cannot be read: expected plain numbers in .npy '
                'format without pickled objects, which could run code, found '
                f'these or no .npy file at all; {again}'
            ) from None
        raise MapError(
            f'{path} cannot be read as .npy: {error}; {again}'
        ) from error
    if not isinstance(held, np.ndarray) or held.dtype.kind != 'f':
        what = getattr(held, 'dtype', type(held).__name__)
        raise MapError(
            f'{path}: expected a map of floating-point numbers, got {what}; '
            f'{again}'
        )
    if held.ndim != 2 or held.size == 0:
        raise MapError(
            f'{path}: expected a map [h, w] at patch resolution, got the '
            f'shape {list(held.shape)}; {again}'
        )
    if not np.isfinite(held).all():
        raise MapError(f'{path} has NaN or infinite values; {again}')
    return held.astype(np.float32)
