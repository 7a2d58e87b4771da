"""An opened image file: what its header says, and its pixels."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import IO

import numpy as np

from mmcvgssl.datasets.reading.formats import (
    FORMATS,
    MAX_PIXELS_VARIABLE,
    UnreadableImageError,
    other_content,
    pixel_limit,
)
from mmcvgssl.datasets.reading.headers import Samples
from mmcvgssl.datasets.reading.pillow_file import PillowFile, identify
from mmcvgssl.datasets.reading.tiff_file import TiffFile

_TIFF = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')


class OpenedImage(contextlib.AbstractContextManager):
    """An image file whose header has been read; to be closed.

    Args:
        path: The file.
        page: Which of several pictures; None: a file of several is an error,
            but for an MPO, whose first one is meant.
        max_pixels: See :func:`pixel_limit`.

    Raises:
        UnreadableImageError: If the header cannot be read, or says that the
            file has more pixels or pages than allowed.
        ValueError: If ``max_pixels`` is out of range.
    """

    def __init__(
        self,
        path: str | Path,
        page: int | None = None,
        max_pixels: int | None = None,
    ) -> None:
        limit = pixel_limit(max_pixels)
        self.path = str(path)
        try:
            with contextlib.ExitStack() as stack:
                file = stack.enter_context(open(self.path, 'rb'))
                self._reader = self._identify(file, stack)
                self._reader.select(self._frame(page))
                self._check_size(limit)
                self._stack = stack.pop_all()
        except Exception as error:
            raise self._unreadable(error) from error

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    @property
    def format(self) -> str:
        """Format of the content, as Pillow names it; an MPO is a JPEG."""
        return self._reader.format

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, upright."""
        return self._reader.size

    @property
    def orientation(self) -> int:
        """The number of the orientation tag, 1 to 8; it is honoured."""
        return self._reader.orientation

    @property
    def samples(self) -> Samples:
        """How a value is stored."""
        return self._reader.samples

    @property
    def has_alpha(self) -> bool:
        """Whether pixels have an opacity."""
        return self._reader.has_alpha

    def pixels(self, input_size: int | None = None) -> np.ndarray:
        """Decode the picture upright, at its own depth, without opacity.

        Args:
            input_size: A JPEG may come smaller, with sides of this or more.

        Returns:
            [H, W] or BGR [H, W, 3].

        Raises:
            UnreadableImageError: If it cannot be decoded in full.
        """
        try:
            values, small = self._reader.pixels(input_size)
        except Exception as error:
            raise self._unreadable(error) from error
        width, height = self.size
        if not small and values.shape[:2] != (height, width):
            raise UnreadableImageError(
                f'{self.path}: its header says {width} x {height} pixels, '
                f'decoded are {values.shape[1]} x {values.shape[0]}'
            )
        return values

    def rgba(self) -> np.ndarray:
        """Decode colours and opacity of 8 bits upright, RGBA [H, W, 4].

        Raises:
            UnreadableImageError: If it cannot be decoded in full, or has
                deeper values.
        """
        try:
            return self._reader.rgba()
        except Exception as error:
            raise self._unreadable(error) from error

    def _identify(
        self, file: IO[bytes], stack: contextlib.ExitStack
    ) -> PillowFile | TiffFile:
        head = file.read(32)
        if other := other_content(head):
            what = f'it holds {other}, which is not read'
        else:
            image = identify(file, head)
            if image is not None:
                return PillowFile(file, stack.enter_context(image))
            if head[:4] in _TIFF:
                return stack.enter_context(TiffFile(file))
            what = (
                f'the file is {"no image that is read" if head else "empty"}'
            )
        raise UnreadableImageError(
            f'{self.path}: {what}; expected {", ".join(FORMATS)}'
        )

    def _frame(self, page: int | None) -> int:
        frames = self._reader.frames
        if (
            page is None
            and len(frames) > 1
            and not self._reader.first_is_meant
        ):
            raise UnreadableImageError(
                f'{self.path}: the file holds {len(frames)} pictures; set '
                'page=0 of LoadImage to read the first of each such file, or '
                'save them as files of their own'
            )
        wanted = page or 0
        if not 0 <= wanted < len(frames):
            raise UnreadableImageError(
                f'{self.path}: page={wanted} is not there, the file has the '
                f'pictures 0 to {len(frames) - 1}'
            )
        return frames[wanted]

    def _check_size(self, limit: int) -> None:
        width, height = self.size
        if width * height > limit:
            raise UnreadableImageError(
                f'{self.path}: {width} x {height} pixels are more than '
                f'max_pixels={limit}; cut it into tiles, or raise max_pixels '
                f'or the environment variable {MAX_PIXELS_VARIABLE}'
            )
        if width < 1 or height < 1:
            raise UnreadableImageError(f'{self.path}: it has no pixels')

    def _unreadable(self, error: Exception) -> UnreadableImageError:
        if isinstance(error, UnreadableImageError):
            return error
        reason = str(error) or type(error).__name__
        if isinstance(error, MemoryError):
            reason = 'it needs more memory than there is'
        elif isinstance(error, OSError) and error.strerror:
            reason = error.strerror
        return UnreadableImageError(f'{self.path}: {reason}')
