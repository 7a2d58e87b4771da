"""What a check has to know of an image: form, content and likeness."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from PIL import Image

from mmcvgssl.compat import require
from mmcvgssl.datasets.reading import OpenedImage, UnreadableImageError
from mmcvgssl.datasets.reading.orientation import turn
from mmcvgssl.datasets.reading.read import extremes
from mmcvgssl.provenance import digest_bytes

SIDE = 64  # pixels, of the small pictures that are compared
_HASHED = 32  # pixels that imagehash.phash looks at
TURNS = range(1, 9)  # numbers of the orientation tag


@dataclass(frozen=True)
class ImageFacts:
    """What a check knows of an image.

    Args:
        error: Why it cannot be read; all else is then empty.
        size: Width and height, pixels, upright.
        format: Of the content, as Pillow names it.
        colours: ``grey``, ``colour``, or ``colour of equal channels``.
        samples: How a value is stored, such as ``8 bits``.
        alpha: Whether pixels have an opacity.
        limits: Smallest and largest value.
        orientation: Number of its orientation tag, which is honoured.
        pixels: Digest of its pixels.
        turned: Digest that mirrored and turned copies of it have in common.
        hashes: Perceptual hashes of 64 bits of the picture in each
            orientation, in the order of ``TURNS``.
        small: The picture in grey, uint8 [64, 64], brightest to darkest.
    """

    error: str | None = None
    size: tuple[int, int] = (0, 0)
    format: str = ''
    colours: str = ''
    samples: str = ''
    alpha: bool = False
    limits: tuple[float, float] = (0.0, 0.0)
    orientation: int = 1
    pixels: str = ''
    turned: str = ''
    hashes: tuple[int, ...] = ()
    small: np.ndarray | None = None

    @property
    def flat(self) -> bool:
        """Whether all pixels have one value."""
        return self.error is None and self.limits[0] == self.limits[1]


def read_facts(path: str) -> ImageFacts:
    """Read an image in full, and say what it is.

    Args:
        path: The file.

    Raises:
        ModuleNotFoundError: If the package ``imagehash`` is missing.
    """
    try:
        with OpenedImage(path) as image:
            values = image.pixels()
            limits = extremes(path, values)
            colours, values = _colours(values)
            small = _small(values, limits)
            return ImageFacts(
                None,
                *(image.size, image.format, colours, str(image.samples)),
                *(image.has_alpha, limits, image.orientation),
                *_digests(values),
                _hashes(small),
                small,
            )
    except UnreadableImageError as error:
        return ImageFacts(str(error))


def _colours(values: np.ndarray) -> tuple[str, np.ndarray]:
    """Name the colours; return grey pixels of those that are grey."""
    if values.ndim == 2:
        return 'grey', values
    first = values[..., 0]
    if all((values[..., i] == first).all() for i in (1, 2)):
        return 'colour of equal channels', np.ascontiguousarray(first)
    return 'colour', values


def _digests(values: np.ndarray) -> tuple[str, str]:
    """Return digests of pixels, and of those in any orientation."""

    def digest(turned: np.ndarray) -> str:
        head = f'{turned.dtype} {turned.shape} '.encode()
        return digest_bytes(head + np.ascontiguousarray(turned).tobytes())

    own = digest(values)
    # all orientations of an image agree on which of them are brightest
    wanted = _brightest_first(values)
    in_any = min(own if k == 1 else digest(turn(values, k)) for k in wanted)
    return own, in_any


def _brightest_first(values: np.ndarray) -> list[int]:
    """Return the turns that sort the brightness of the quarters best."""
    height, width = values.shape[0] // 2, values.shape[1] // 2
    if values.dtype.kind == 'f' or not height or not width:
        return [*TURNS]  # sums of floats depend on their order
    rows, columns = (
        (slice(height), slice(-height, None)),
        (*(slice(width), slice(-width, None)),),
    )
    sums = np.array(
        [[values[r, c].sum(dtype=np.int64) for c in columns] for r in rows]
    )
    keys = {k: tuple(turn(sums, k).ravel().tolist()) for k in TURNS}
    best = max(keys.values())
    return [k for k, key in keys.items() if key == best]


def _small(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    wide = values.dtype in (np.uint8, np.uint16)
    grey = values if wide else values.astype(np.float32)
    if grey.ndim == 3:
        grey = cv2.cvtColor(grey, cv2.COLOR_BGR2GRAY)
    grey = cv2.resize(
        grey.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA
    )
    low, high = (0.0, 255.0) if values.dtype == np.uint8 else limits
    scaled = (grey - low) * (255 / max(high - low, 1e-12))
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def _hashes(small: np.ndarray) -> tuple[int, ...]:
    size = (_HASHED, _HASHED)
    least = cv2.resize(small, size, interpolation=cv2.INTER_AREA)
    return tuple(_hash(turn(least, k)) for k in TURNS)


def _hash(picture: np.ndarray) -> int:
    bits = _imagehash().phash(Image.fromarray(picture)).hash
    return int.from_bytes(np.packbits(bits).tobytes(), 'big')


@cache
def _imagehash():
    require('imagehash')
    import imagehash

    return imagehash
