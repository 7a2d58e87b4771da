"""Reading the file of an anomaly map."""

from __future__ import annotations

import io
from pathlib import Path, PurePosixPath

import numpy as np

from mmcvgssl.provenance import digest_bytes

MAKE = 'make the maps with mmcvgssl maps'


class MapError(ValueError):
    """A file of a map, or the manifest of a folder, that is malformed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.save(Path(folder, 'map.npy'), np.array([[0, 1]]))
        ...     try:
        ...         read_map(Path(folder, 'map.npy'))
        ...     except MapError as error:
        ...         print(str(error).rpartition('map.npy: ')[2][:50])
        expected a map of floating-point numbers, got int6
    """


def read_map(path: str | Path, digest: str = '') -> np.ndarray:
    """Read a ``.npy`` map, float32 [h, w]; pickled objects are refused.

    Args:
        path: The file, of floating-point numbers.
        digest: Digest of the file that was written; empty if it is not known.

    Raises:
        FileNotFoundError: If there is no such file.
        MapError: If it is not what mmcvgssl maps writes: cannot be
            read, is not 2-D and floating-point, has values that are not
            finite, or is another file than was written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     np.save(Path(folder, 'map.npy'), np.array([[0.25, 0.5]]))
        ...     read_map(Path(folder, 'map.npy'))
        array([[0.25, 0.5 ]], dtype=float32)
    """
    again = f'remove it and {MAKE}'
    try:
        data = Path(path).read_bytes()
        values = np.load(io.BytesIO(data), allow_pickle=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(f'no anomaly map {path}; {MAKE}') from error
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
    if not isinstance(values, np.ndarray) or values.dtype.kind != 'f':
        what = getattr(values, 'dtype', type(values).__name__)
        raise MapError(
            f'{path}: expected a map of floating-point numbers, got {what}; '
            f'{again}'
        )
    if values.ndim != 2 or values.size == 0:
        raise MapError(
            f'{path}: expected a map [h, w] at patch resolution, got the '
            f'shape {list(values.shape)}; {again}'
        )
    if not np.isfinite(values).all():
        raise MapError(f'{path} has NaN or infinite values; {again}')
    if digest and digest != digest_bytes(data):
        raise MapError(
            f'{path} is another map than was written for its image: it was '
            f'changed or replaced since; {again}'
        )
    return values.astype(np.float32)


def inside(path: str) -> str:
    """Check that a relative path stays in its folder; return it.

    Raises:
        TypeError: If it is no text.
        ValueError: If it does not.

    Example:
        >>> inside('cracks/1.png')
        'cracks/1.png'
        >>> inside('../1.png')
        Traceback (most recent call last):
            ...
        ValueError: '../1.png' is no path inside the folder
    """
    pure = PurePosixPath(path)
    if pure.is_absolute() or '..' in pure.parts or not pure.parts:
        raise ValueError(f'{path!r} is no path inside the folder')
    return str(pure)
