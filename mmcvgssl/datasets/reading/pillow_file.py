"""Files that Pillow opens."""

from __future__ import annotations

import math
from functools import cache
from typing import IO, Any

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageFile

from mmcvgssl.datasets.reading import headers
from mmcvgssl.datasets.reading.deep_colours import by_opencv
from mmcvgssl.datasets.reading.formats import FORMATS
from mmcvgssl.datasets.reading.headers import Samples
from mmcvgssl.datasets.reading.orientation import (
    turn,
    upright_size,
    valid_orientation,
)
from mmcvgssl.datasets.reading.tiff_file import (
    TiffFile,
    check_first_page,
    invert,
    is_page,
)

_ALPHA = ('LA', 'La', 'PA', 'RGBA', 'RGBa')
# TIFF's tags
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC = 254, 256, 257, 258, 262
_ORIENTATION, _FORMAT = 274, 339
_KINDS = {1: 'u', 2: 'i', 3: 'f'}
_LARGE, _STRIP = 1 << 21, 1 << 18  # pixels of a picture, and of its parts


class PillowFile:
    """A file that Pillow has opened; other decoders help with deep colours.

    Args:
        file: The file.
        image: The image as Pillow opens it.
    """

    def __init__(self, file: IO[bytes], image: ImageFile.ImageFile) -> None:
        self._file = file
        self._image: Any = image
        # several pictures of one shot, of which the first is the best
        self.first_is_meant = image.format == 'MPO'
        self.format = 'JPEG' if self.first_is_meant else str(image.format)
        self.frames = self._find_frames()

    @property
    def mode(self) -> str:
        """Pillow's."""
        return self._image.mode

    @property
    def has_alpha(self) -> bool:
        """Whether pixels have an opacity."""
        palette = self.mode == 'P' and 'transparency' in self._image.info
        return self.mode in _ALPHA or palette

    def select(self, frame: int) -> None:
        """Go to a picture; find out its size, orientation and depth."""
        if frame or self.format == 'TIFF':
            self._image.seek(frame)
        self._frame = frame
        if self.format == 'TIFF':
            # Pillow's releases differ in whether its size is turned
            tags = self._image.tag_v2
            stored = int(tags[_WIDTH]), int(tags[_HEIGHT])
            self.orientation = valid_orientation(tags.get(_ORIENTATION))
        else:
            stored = self._image.size
            self.orientation = self._read_orientation()
        self.size = upright_size(stored, self.orientation)
        self.samples = self._read_samples()

    def pixels(self, input_size: int | None) -> tuple[np.ndarray, bool]:
        """Decode the picture upright; also say whether it is smaller."""
        if self._needs_other():
            return self._by_other(), False
        self._check_end()
        small = bool(
            input_size and self._image.draft(None, (input_size, input_size))
        )
        self._image.load()
        if self.samples.deep:
            values = self._as_tagged(np.asarray(self._image))
        else:
            values = pillow_to_bgr(self._image)
        return self.upright(values), small

    def rgba(self) -> np.ndarray:
        """Decode colours and opacity of 8 bits upright, [H, W, 4]."""
        self._image.load()
        _check_palette(self._image)
        return self.upright(np.asarray(self._image.convert('RGBA')))

    def upright(self, values: np.ndarray) -> np.ndarray:
        """Turn what Pillow has decoded; a TIFF it turns itself."""
        return turn(values, 1 if self.format == 'TIFF' else self.orientation)

    def _check_end(self) -> None:
        if self.format == 'JPEG':
            position = self._file.tell()
            if headers.ends_in_zeros(self._file):
                raise ValueError('it ends too early, zeros follow')
            self._file.seek(position)

    def _find_frames(self) -> list[int]:
        count = getattr(self._image, 'n_frames', 1)
        if self.format != 'TIFF':
            return list(range(count))
        check_first_page(self._image.tag_v2, count)
        if count == 1:
            return [0]
        found = []
        for frame in range(count):
            self._image.seek(frame)
            if is_page(self._image.tag_v2.get(_SUBFILE, 0)):
                found.append(frame)
        return found

    def _read_orientation(self) -> int:
        if self.format == 'PNG':
            position = self._file.tell()
            behind = headers.png_says_more_behind(self._file)
            self._file.seek(position)
            if behind:
                self._image.load()
        # that of PNGs would decode each file to look behind its pixels
        exif = Image.Image.getexif(self._image)
        return valid_orientation(exif.get(ExifTags.Base.Orientation))

    def _read_samples(self) -> Samples:
        readers = {
            'PNG': headers.png_samples,
            'PPM': headers.pnm_samples,
            'JPEG2000': headers.jpeg2000_samples,
        }
        if self.format in readers:
            position = self._file.tell()
            samples = readers[self.format](self._file)
            self._file.seek(position)
            return samples
        if self.format != 'TIFF':
            return Samples()
        tags = self._image.tag_v2
        kind = _KINDS.get(max(tags.get(_FORMAT, (1,))), 'u')
        return Samples(int(max(tags.get(_BITS, (1,)))), kind)

    def _needs_other(self) -> bool:
        """Whether Pillow would squeeze or scale values, or refuse."""
        if self.format == 'TIFF':
            most = Image.MAX_IMAGE_PIXELS
            if most is not None and math.prod(self.size) > most:
                return True
        one_channel = self.mode in ('L', 'I', 'F') or self.mode.startswith(
            'I;'
        )
        scaled = self.format in ('PPM', 'JPEG2000')
        return self.samples.deep and (scaled or not one_channel)

    def _by_other(self) -> np.ndarray:
        if self.format == 'TIFF':
            with TiffFile(self._file) as other:
                other.select(self._frame)
                return other.pixels(None)[0]
        if self.samples.kind != 'u':
            raise ValueError(f'values of {self.samples} are not read')
        self._file.seek(0)
        return turn(by_opencv(self._file.read()), self.orientation)

    def _as_tagged(self, values: np.ndarray) -> np.ndarray:
        """Undo what Pillow makes of a TIFF's deep values."""
        if self.format != 'TIFF':
            return values
        if values.dtype == np.int32 and self.samples == Samples(32, 'u'):
            values = values.view(np.uint32)
        elif values.dtype == np.uint8 and self.samples == Samples(8, 'i'):
            values = values.view(np.int8)
        if not values.dtype.isnative:
            values = values.astype(values.dtype.newbyteorder('='))
        # Pillow inverts 8 bits alone
        white = self._image.tag_v2.get(_PHOTOMETRIC) == 0
        return invert(values, self.samples.bits) if white else values


def identify(file: IO[bytes], head: bytes) -> ImageFile.ImageFile | None:
    """Open a file by Pillow, without the limit it has for all of a process.

    Returns:
        None for what is no image, or a TIFF that Pillow cannot hold.
    """
    _register()
    for name in FORMATS:
        factory, accept = Image.OPEN.get(name, (None, None))
        if factory and accept and accept(head) is True:
            file.seek(0)
            try:
                # with a name it would map a TIFF that lies on its side with
                # its sides exchanged
                return factory(file, '')
            except SyntaxError:
                if name != 'TIFF':
                    raise
    return None


@cache
def _register() -> None:
    Image.init()


def pillow_to_bgr(image: Image.Image) -> np.ndarray:
    """Turn a picture of 8 bits into grey [H, W] or BGR [H, W, 3]."""
    if image.mode in ('L', 'LA', 'La', '1'):
        grey = image if image.mode == 'L' else image.convert('L')
        return np.asarray(grey)
    _check_palette(image)
    rgb = image if image.mode == 'RGB' else image.convert('RGB')
    width, height = rgb.size
    if width * height <= _LARGE:
        return cv2.cvtColor(np.asarray(rgb), cv2.COLOR_RGB2BGR)
    # copies of a large picture, which the system hands out page by page, take
    # longer than to decode it
    bgr = np.empty((height, width, 3), np.uint8)
    rows = max(_STRIP // width, 1)
    for top in range(0, height, rows):
        part = bgr[top : top + rows]
        strip = rgb.crop((0, top, width, top + len(part)))
        cv2.cvtColor(np.asarray(strip), cv2.COLOR_RGB2BGR, dst=part)
    return bgr


def _check_palette(image: Image.Image) -> None:
    """Refuse colours that a palette does not have; they would be black.

    Raises:
        ValueError: If there are.
    """
    if image.mode != 'P' or image.format == 'GIF':  # a GIF may be see-through
        return
    count = len(image.getpalette() or ()) // 3
    most = int(np.asarray(image).max())
    if most >= count:
        raise ValueError(
            f'pixels have colour {most} of a palette of {count} colours'
        )
