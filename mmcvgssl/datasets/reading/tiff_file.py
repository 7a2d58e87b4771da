"""TIFF files that Pillow cannot hold: deep colours, doubles, planes."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import tifffile

from mmcvgssl.datasets.reading.deep_colours import by_opencv, cmyk_to_bgr
from mmcvgssl.datasets.reading.headers import Samples
from mmcvgssl.datasets.reading.orientation import (
    turn,
    upright_size,
    valid_orientation,
)

_KINDS = {1: 'u', 2: 'i', 3: 'f', 4: 'u'}
_ORIENTATION = 274
# tags of the first page
_SUBFILE, _DESCRIPTION, _SUBPAGES = 254, 270, 330
_DEPTH, _DNG = 32997, 50706
_IMAGEJ = re.compile(r'ImageJ=.*?^images=(\d+)', re.DOTALL | re.MULTILINE)
_WHITE_IS_0, _BLACK_IS_0, _RGB, _CMYK = 0, 1, 2, 5


class TiffFile(contextlib.AbstractContextManager):
    """A file that tifffile has opened.

    Args:
        file: The file; it stays open.
    """

    format = 'TIFF'
    mode = ''
    first_is_meant = False

    def __init__(self, file: IO[bytes]) -> None:
        file.seek(0)
        self._file = file
        self._tiff = tifffile.TiffFile(file)
        first = self._tiff.pages.first.tags
        check_first_page(
            {tag.code: tag.value for tag in first}, len(self._tiff.pages)
        )
        self.frames = [
            i
            for i, page in enumerate(self._tiff.pages)
            if is_page(page.aspage().subfiletype)
        ]

    def __exit__(self, *error: object) -> None:
        self._tiff.close()

    @property
    def has_alpha(self) -> bool:
        """Whether pixels have an opacity."""
        return bool(self._page.extrasamples)

    def select(self, frame: int) -> None:
        """Go to a picture; find out its size, orientation and depth."""
        page = self._page = self._tiff.pages[frame].aspage()
        tag = page.tags.get(_ORIENTATION)
        self.orientation = valid_orientation(tag and int(tag.value))
        stored = page.imagewidth, page.imagelength
        self.size = upright_size(stored, self.orientation)
        kind = _KINDS.get(int(page.sampleformat), '')
        if not kind:
            raise ValueError(
                f'values of the format {page.sampleformat!r} are not read; '
                'save real numbers'
            )
        self.samples = Samples(int(page.bitspersample), kind)

    def pixels(self, input_size: int | None) -> tuple[np.ndarray, bool]:
        """Decode the picture upright; it is never smaller."""
        return turn(self._decode(), self.orientation), False

    def rgba(self) -> np.ndarray:
        """Refuse: no file with opacity comes here but a deep one."""
        raise ValueError('an alpha channel beside deep values is not read')

    def _decode(self) -> np.ndarray:
        page: Any = self._page
        try:
            values = page.asarray()
        except (NotImplementedError, ValueError) as error:
            if 'imagecodecs' not in str(error):
                raise
            if int(page.compression) == 1:
                raise ValueError(
                    f'{self.samples} packed without gaps are not read; save '
                    'them in 16 bits each'
                ) from error
            return self._without_codec()
        axes = page.axes
        if axes == 'SYX':
            values, axes = values.transpose(1, 2, 0), 'YXS'
        if axes not in ('YX', 'YXS'):
            raise ValueError(
                f'expected one picture, got the axes {axes} of {values.shape}'
            )
        count = 1 if axes == 'YX' else values.shape[2]
        kind = int(page.photometric)
        if kind in (_WHITE_IS_0, _BLACK_IS_0) and count <= 2:
            grey = values if axes == 'YX' else values[..., 0]
            white = kind == _WHITE_IS_0
            return invert(grey, self.samples.bits) if white else grey
        if kind == _CMYK and count >= 4:
            return cmyk_to_bgr(values[..., :4])
        if kind not in (_BLACK_IS_0, _RGB) or count not in (3, 4):
            raise ValueError(
                f'expected grey or colours, got {count} bands of the kind '
                f'{page.photometric.name}; save it as grey or RGB'
            )
        return np.ascontiguousarray(values[..., 2::-1])

    def _without_codec(self) -> np.ndarray:
        """Decode by OpenCV what tifffile has no codec for."""
        page: Any = self._page
        if int(page.planarconfig) != 1 or int(page.photometric) not in (
            _BLACK_IS_0,
            _RGB,
        ):
            raise ValueError(
                'expected samples side by side, got '
                f'{page.planarconfig.name} {page.photometric.name} with '
                f'{page.compression.name}; save it without compression'
            )
        self._file.seek(0)
        data = self._file.read()
        tag = page.tags.get(_ORIENTATION)
        if tag is not None:  # OpenCV honours some of its values
            order = 'little' if self._tiff.byteorder == '<' else 'big'
            at = tag.valueoffset
            one = (1).to_bytes(2, order)  # type: ignore[arg-type]
            data = data[:at] + one + data[at + 2 :]
        return by_opencv(data, page.index)


def check_first_page(tags: Mapping[int, Any], count: int) -> None:
    """Refuse what would be read as a picture that it is not.

    Args:
        tags: Values of the first page by their numbers.
        count: Number of pages.

    Raises:
        ValueError: If it is a preview beside a camera's raw values, or one of
            several planes.
    """
    preview = int(tags.get(_SUBFILE, 0)) & 1 and _SUBPAGES in tags
    if _DNG in tags or preview:
        raise ValueError(
            'a raw file of a camera, with a preview, is not read; develop it '
            'to TIFF or PNG'
        )
    planes = int(tags.get(_DEPTH, 1))
    said = _IMAGEJ.match(str(tags.get(_DESCRIPTION, '')))
    if said and count == 1:  # those of a large stack have one header
        planes = max(planes, int(said[1]))
    if planes > 1:
        raise ValueError(
            f'the file holds {planes} planes behind one header; save them as '
            'files of their own'
        )


def is_page(subfile_type: int) -> bool:
    """Whether a page is a picture of its own: no thumbnail and no mask."""
    return not int(subfile_type) & 0b101


def invert(values: np.ndarray, bits: int) -> np.ndarray:
    """Turn values of which 0 is white.

    Raises:
        ValueError: If they have no largest value.
    """
    if values.dtype.kind != 'u':
        raise ValueError(
            f'0 is said to be white in values of {values.dtype}; save it '
            'with 0 as black'
        )
    return values.dtype.type(2**bits - 1) - values
