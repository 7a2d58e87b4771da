"""Image files of all kinds, with the pixels that they must be read as."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

HEIGHT, WIDTH = 48, 64
ORIENTATION = 0x0112


def _colours() -> np.ndarray:
    """Make smooth RGB that no turn of it equals."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    planes = [40 + 2 * x + y, 200 - 2 * x, 30 + 3 * y]
    return np.dstack(planes).clip(0, 255).astype(np.uint8)


RGB = _colours()
GREY = RGB[..., 0]
BLACK_WHITE = np.where(GREY > 100, 255, 0).astype(np.uint8)
# the same picture at other depths; `to_12` etc. span the whole range
DEEP = {
    8: GREY,
    12: (GREY.astype(np.uint16) * 4095 // 255).astype(np.uint16),
    16: (GREY.astype(np.uint32) * 257).astype(np.uint16),
}


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Args:
        name: Of the file.
        write: Writes the picture, turned so that an orientation tag of the
            given number turns it upright.
        grey: Whether it shows ``GREY`` or ``RGB``.
        one_bit: Whether it shows ``BLACK_WHITE``.
        depth_range: Of its values, if they are deep.
        tolerance: Largest mean difference of a value.
        tagged: Whether the format has an orientation.
    """

    name: str
    write: Callable[[Path, np.ndarray, int], None]
    grey: bool = False
    depth_range: tuple[float, float] | None = None
    tolerance: float = 0
    tagged: bool = True
    one_bit: bool = False

    @property
    def source(self) -> np.ndarray:
        """What it shows, grey [H, W] or RGB [H, W, 3]."""
        if self.one_bit:
            return BLACK_WHITE
        return GREY if self.grey else RGB

    def expected(self) -> np.ndarray:
        """Return BGR [H, W, 3]."""
        shown = self.source
        return np.dstack([shown] * 3) if shown.ndim == 2 else shown[..., ::-1]

    def make(self, folder: Path, orientation: int = 1) -> Path:
        """Write the file."""
        path = folder / f'{orientation}_{self.name}'
        self.write(path, stored(self.source, orientation), orientation)
        return path


def stored(upright: np.ndarray, orientation: int) -> np.ndarray:
    """Turn pixels back, as a camera held otherwise stores them."""
    undo = {
        1: lambda a: a,
        2: np.fliplr,
        3: lambda a: np.rot90(a, 2),
        4: np.flipud,
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    return np.ascontiguousarray(undo[orientation](upright))


def _exif(orientation: int) -> dict:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return {'exif': exif} if orientation != 1 else {}


def _pillow(mode: str = '', **options) -> Callable:
    def write(path: Path, values: np.ndarray, orientation: int) -> None:
        image = Image.fromarray(values)
        if mode:
            image = image.convert(mode)
        image.save(path, **options, **_exif(orientation))

    return write


def _inverted_palette(path: Path, values: np.ndarray, _: int) -> None:
    """Write one bit a pixel of which 0 is called white."""
    image = Image.fromarray((values == 0).astype(np.uint8), 'P')
    image.putpalette([255] * 3 + [0] * 3)
    image.save(path, bits=1)


def _white_is_0(path: Path, values: np.ndarray, orientation: int) -> None:
    """Write a TIFF of one bit a pixel, as fax machines do."""
    tags = {262: 0, ORIENTATION: orientation}
    Image.fromarray(values).convert('1').save(path, tiffinfo=tags)


def _plain_pbm(path: Path, values: np.ndarray, orientation: int) -> None:
    """Write a bitmap as text, in which 1 is black."""
    rows = [''.join('0' if v else '1' for v in row) for row in values]
    head = f'P1\n# a mask\n{values.shape[1]} {values.shape[0]}\n'
    path.write_text(head + '\n'.join(rows) + '\n')


def _jpeg2000_12(path: Path, values: np.ndarray, orientation: int) -> None:
    """Write 12 bits by an encoder of 16, without loss.

    The code stream counts from the middle of the depth that its header says.
    """
    lifted = u12(values) + (1 << 15) - (1 << 11)
    lossless = (cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000)
    made = lifted if lifted.ndim == 2 else lifted[..., ::-1]
    data = bytearray(cv2.imencode('.jp2', made, lossless)[1].tobytes())
    count = 1 if values.ndim == 2 else 3
    data[data.index(b'ihdr') + 14] = 11
    sizes = data.index(b'\xff\x4f\xff\x51')
    for i in range(count):
        data[sizes + 42 + 3 * i] = 11
    path.write_bytes(bytes(data))


def _alpha(mode: str) -> Callable:
    def write(path: Path, values: np.ndarray, orientation: int) -> None:
        image = Image.fromarray(values).convert(mode)
        alpha = np.full(values.shape[:2], 255, np.uint8)
        alpha[:, : values.shape[1] // 3] = 9
        image.putalpha(Image.fromarray(alpha))
        image.save(path, **_exif(orientation))

    return write


def _palette(transparent: bool) -> Callable:
    """Write 256 greys as palette; `values` are places in it."""

    def write(path: Path, values: np.ndarray, orientation: int) -> None:
        image = Image.fromarray(values, 'P')
        image.putpalette(np.repeat(np.arange(256, dtype=np.uint8), 3))
        more = {'transparency': bytes(range(256))} if transparent else {}
        image.save(path, **more, **_exif(orientation))

    return write


def _tiff(convert: Callable[[np.ndarray], np.ndarray], **options) -> Callable:
    def write(path: Path, values: np.ndarray, orientation: int) -> None:
        tag = (ORIENTATION, 'H', 1, orientation, False)
        order = options.get('byteorder')
        rest = {k: v for k, v in options.items() if k != 'byteorder'}
        with tifffile.TiffWriter(path, byteorder=order) as file:
            file.write(convert(values), extratags=[tag], **rest)

    return write


def _opencv_tiff(convert: Callable) -> Callable:
    """Write LZW, for which tifffile has no codec, with its orientation."""

    def write(path: Path, values: np.ndarray, orientation: int) -> None:
        tags = {ORIENTATION: orientation, 317: 2}
        cv2.imwrite(str(path), convert(values)[..., ::-1])
        with tifffile.TiffFile(path) as content:
            tag = content.pages[0].tags.get(ORIENTATION)
        if tag is not None:
            data = bytearray(path.read_bytes())
            data[tag.valueoffset] = tags[ORIENTATION]
            path.write_bytes(bytes(data))

    return write


def _opencv(convert: Callable) -> Callable:
    def write(path: Path, values: np.ndarray, orientation: int) -> None:
        made = convert(values)
        made = made if made.ndim == 2 else made[..., ::-1]
        assert cv2.imwrite(str(path), made)

    return write


def png(
    values: np.ndarray, colour: int, orientation: int = 1, last: bool = False
) -> bytes:
    """Encode 16 bits a value as PNG, the orientation before or behind."""

    def chunk(name: bytes, data: bytes) -> bytes:
        crc = zlib.crc32(name + data)
        return (
            struct.pack('>I', len(data)) + name + data + struct.pack('>I', crc)
        )

    height, width = values.shape[:2]
    bits = 8 * values.dtype.itemsize
    head = struct.pack('>IIBBBBB', width, height, bits, colour, 0, 0, 0)
    big = values.astype(values.dtype.newbyteorder('>'))
    rows = b''.join(b'\0' + row.tobytes() for row in big)
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    tag = chunk(b'eXIf', exif.tobytes()[6:]) if orientation != 1 else b''
    return b''.join(
        [
            b'\x89PNG\r\n\x1a\n',
            chunk(b'IHDR', head),
            b'' if last else tag,
            chunk(b'IDAT', zlib.compress(rows)),
            tag if last else b'',
            chunk(b'IEND', b''),
        ]
    )


def _png16(colour: int, alpha: bool, last: bool = False) -> Callable:
    def write(path: Path, values: np.ndarray, orientation: int) -> None:
        deep = values.astype(np.uint16) * 257
        deep = deep if deep.ndim == 3 else deep[..., None]
        if alpha:
            half = np.full((*deep.shape[:2], 1), 30000, np.uint16)
            deep = np.concatenate([deep, half], axis=2)
        path.write_bytes(png(deep, colour, orientation, last))

    return write


def _png8_behind(path: Path, values: np.ndarray, orientation: int) -> None:
    path.write_bytes(png(values, 2, orientation, last=True))


def _cmyk(suffix: str) -> Callable:
    """Write inks without black that give the colours."""

    def write(path: Path, values: np.ndarray, orientation: int) -> None:
        inks = np.dstack([255 - values, np.zeros_like(values[..., :1])])
        image = Image.fromarray(inks, 'CMYK')
        more = {'quality': 98, 'subsampling': 0} if suffix == 'jpg' else {}
        image.save(path, **more, **_exif(orientation))

    return write


def _pgm(path: Path, values: np.ndarray, orientation: int) -> None:
    deep = (values.astype(np.uint32) * 4095 // 255).astype('>u2')
    letter = b'P5' if values.ndim == 2 else b'P6'
    head = b'%s\n# a camera\n%d %d\n4095\n' % (letter, *values.shape[1::-1])
    path.write_bytes(head + deep.tobytes())


def _mpo(path: Path, values: np.ndarray, orientation: int) -> None:
    image = Image.fromarray(values)
    other = Image.new('RGB', image.size)
    image.save(
        path,
        'MPO',
        save_all=True,
        append_images=[other],
        quality=98,
        subsampling=0,
        **_exif(orientation),
    )


def u12(values: np.ndarray) -> np.ndarray:
    """Scale 8 bits to 12 in 16."""
    return (values.astype(np.uint32) * 4095 // 255).astype(np.uint16)


def u16(values: np.ndarray) -> np.ndarray:
    """Scale 8 bits to 16."""
    return values.astype(np.uint16) * 257


def _scaled(factor: float, dtype: str, offset: float = 0) -> Callable:
    def convert(values: np.ndarray) -> np.ndarray:
        return (values.astype(float) * factor + offset).astype(dtype)

    return convert


def _planes(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(u16(values).transpose(2, 0, 1))


def _with_alpha(values: np.ndarray) -> np.ndarray:
    deep = u16(values)
    deep = deep if deep.ndim == 3 else deep[..., None]
    return np.concatenate([deep, np.full_like(deep[..., :1], 9)], axis=2)


_B12, _B16 = (0.0, 4095.0), (0.0, 65535.0)
_JPEG = dict(quality=98, subsampling=0)

KINDS = [
    Kind('colour.jpg', _pillow(**_JPEG), tolerance=2),
    Kind('grey.jpg', _pillow('L', quality=98), grey=True, tolerance=2),
    Kind('cmyk.jpg', _cmyk('jpg'), tolerance=3),
    Kind('colour.jfif', _pillow(format='JPEG', **_JPEG), tolerance=2),
    Kind('shot.mpo', _mpo, tolerance=2),
    Kind('colour.png', _pillow()),
    Kind('behind.png', _png8_behind),
    Kind('grey.png', _pillow(), grey=True),
    Kind('opaque_in_part.png', _alpha('RGBA')),
    Kind('grey_alpha.png', _alpha('LA'), grey=True),
    Kind('palette.png', _palette(False), grey=True),
    Kind('palette_alpha.png', _palette(True), grey=True),
    Kind('grey_12.png', _opencv(u12), True, _B12, 0.5, tagged=False),
    Kind('grey_16.png', _png16(0, False), True, _B16),
    Kind('grey_16_alpha.png', _png16(4, True), True, _B16),
    Kind('colour_12.png', _opencv(u12), False, _B12, 0.5, tagged=False),
    Kind('colour_16.png', _png16(2, False), False, _B16),
    Kind('colour_16_behind.png', _png16(2, False, True), False, _B16),
    Kind('colour_16_alpha.png', _png16(6, True), False, _B16),
    Kind('colour.bmp', _pillow(), tagged=False),
    Kind('grey.bmp', _pillow(), grey=True, tagged=False),
    Kind('palette.bmp', _palette(False), grey=True, tagged=False),
    Kind('grey.gif', _pillow(), grey=True, tagged=False),
    Kind('colour.webp', _pillow(lossless=True)),
    Kind('alpha.webp', _alpha('RGBA'), tolerance=20),
    Kind('colour.jp2', _pillow(), tagged=False),
    Kind('grey.j2k', _pillow(), grey=True, tagged=False),
    Kind('grey_16.jp2', _opencv(u16), True, _B16, 0.5, tagged=False),
    Kind('colour_16.jp2', _opencv(u16), False, _B16, 0.5, tagged=False),
    Kind('grey_12.jp2', _jpeg2000_12, True, _B12, 0.5, tagged=False),
    Kind('colour_12.jp2', _jpeg2000_12, False, _B12, 0.5, tagged=False),
    Kind('grey_12.pgm', _pgm, True, _B12, 0.5, tagged=False),
    Kind('colour_12.ppm', _pgm, False, _B12, 0.5, tagged=False),
    Kind('colour.ppm', _pillow(), tagged=False),
    Kind('colour.tif', _tiff(np.array, photometric='rgb')),
    Kind('grey.tif', _tiff(np.array), grey=True),
    Kind(
        'white_is_0.tif',
        _tiff(lambda v: 255 - v, photometric='miniswhite'),
        grey=True,
    ),
    Kind('cmyk.tif', _cmyk('tif')),
    Kind('jpeg.tif', _pillow(compression='jpeg', quality=98), tolerance=4),
    Kind(
        'planes.tif',
        _tiff(
            lambda v: np.ascontiguousarray(v.transpose(2, 0, 1)),
            photometric='rgb',
            planarconfig='separate',
        ),
    ),
    Kind('grey_12.tif', _tiff(u12), True, _B12, 0.5),
    Kind('grey_16.tif', _tiff(u16), True, _B16),
    Kind('big_endian.tif', _tiff(u16, byteorder='>'), True, _B16),
    Kind(
        'white_is_0_16.tif',
        _tiff(lambda v: 65535 - u16(v), photometric='miniswhite'),
        True,
        _B16,
    ),
    Kind(
        'signed.tif',
        _tiff(_scaled(257, 'int16', -32768)),
        True,
        (-32768.0, 32767.0),
    ),
    Kind(
        'signed_8.tif', _tiff(_scaled(1, 'int8', -128)), True, (-128.0, 127.0)
    ),
    Kind(
        'grey_32.tif',
        _tiff(_scaled(16843009, 'uint32')),
        True,
        (0.0, float(2**32 - 1)),
    ),
    Kind('signed_32.tif', _tiff(_scaled(1000, 'int32')), True, (0, 255000.0)),
    Kind('half.tif', _tiff(_scaled(1 / 255, 'float16')), True, (0, 1.0), 0.1),
    Kind('float.tif', _tiff(_scaled(1 / 255, 'float32')), True, (0, 1.0)),
    Kind('float_255.tif', _tiff(_scaled(1, 'float32')), True, (0, 255.0)),
    Kind('double.tif', _tiff(_scaled(1 / 255, 'float64')), True, (0, 1.0)),
    Kind('colour_16.tif', _tiff(u16, photometric='rgb'), False, _B16),
    Kind(
        'colour_16_planes.tif',
        _tiff(_planes, photometric='rgb', planarconfig='separate'),
        False,
        _B16,
    ),
    Kind(
        'colour_16_zip.tif',
        _tiff(u16, photometric='rgb', compression='zlib'),
        False,
        _B16,
    ),
    Kind('colour_16_lzw.tif', _opencv_tiff(u16), False, _B16, tagged=False),
    Kind(
        'colour_16_alpha.tif',
        _tiff(_with_alpha, photometric='rgb', extrasamples=['unassalpha']),
        False,
        _B16,
    ),
    Kind(
        'grey_16_alpha.tif',
        _tiff(
            _with_alpha,
            photometric='minisblack',
            planarconfig='contig',
            extrasamples=['unassalpha'],
        ),
        True,
        _B16,
    ),
    Kind('one_bit.png', _pillow('1'), one_bit=True),
    Kind('one_bit.bmp', _pillow('1'), one_bit=True, tagged=False),
    Kind('one_bit.gif', _pillow('1'), one_bit=True, tagged=False),
    Kind('one_bit.pbm', _pillow('1'), one_bit=True, tagged=False),
    Kind('one_bit_text.pbm', _plain_pbm, one_bit=True, tagged=False),
    Kind('one_bit.tif', _pillow('1'), one_bit=True),
    Kind('one_bit_fax.tif', _pillow('1', compression='group4'), one_bit=True),
    Kind('one_bit_white_is_0.tif', _white_is_0, one_bit=True),
    Kind('white_first.png', _inverted_palette, one_bit=True, tagged=False),
    Kind('white_first.bmp', _inverted_palette, one_bit=True, tagged=False),
    Kind('white_first.tif', _inverted_palette, one_bit=True, tagged=False),
    Kind(
        'colour_float.tif',
        _tiff(_scaled(1 / 255, 'float32'), photometric='rgb'),
        False,
        (0, 1.0),
    ),
]


def rows() -> Iterator[tuple[Kind, int]]:
    """Give each kind with each orientation that it can have."""
    for kind in KINDS:
        for orientation in range(1, 9) if kind.tagged else (1,):
            yield kind, orientation
