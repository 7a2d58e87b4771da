"""Reading of headers beyond Pillow."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import IO

_PNM = re.compile(rb'P[2356](?:(?:\s|#[^\n]*\n)+(\d+)){3}\s')


@dataclass(frozen=True)
class Samples:
    """How a file stores one value of a pixel.

    Args:
        bits: Bits of each value.
        kind: ``'u'`` unsigned, ``'i'`` signed, ``'f'`` float.
    """

    bits: int = 8
    kind: str = 'u'

    @property
    def deep(self) -> bool:
        """Whether values need a range to become 0 to 255."""
        return self.bits > 8 or self.kind != 'u'

    def __str__(self) -> str:
        sign = {'u': '', 'i': 'signed ', 'f': 'float of '}[self.kind]
        return f'{sign}{self.bits} bits'


def png_samples(file: IO[bytes]) -> Samples:
    """Read the depth of a PNG from its header."""
    file.seek(24)
    return Samples(bits=file.read(1)[0])


def pnm_samples(file: IO[bytes]) -> Samples:
    """Read the depth of a PGM or PPM, which it gives as the largest value."""
    file.seek(0)
    found = _PNM.match(file.read(4096))
    bits = int(found[1]).bit_length() if found else 1  # a bitmap has none
    return Samples(bits=max(bits, 1))


def jpeg2000_samples(file: IO[bytes]) -> Samples:
    """Read the depth of a JPEG 2000: the largest of its components."""
    file.seek(0)
    data = file.read(1 << 16)
    start = data.find(b'\xff\x4f\xff\x51')  # of the code stream and its sizes
    if start < 0:
        return Samples()
    count = int.from_bytes(data[start + 40 : start + 42], 'big')
    each = data[start + 42 : start + 42 + 3 * count : 3]
    signed = any(byte & 0x80 for byte in each)
    bits = max((byte & 0x7F for byte in each), default=7) + 1
    return Samples(bits, 'i' if signed else 'u')


def ends_in_zeros(file: IO[bytes]) -> bool:
    """Whether a JPEG has zeros where its end should be.

    Copies that were broken off may have their full size; decoders take the
    zeros for pixels.
    """
    file.seek(-1, os.SEEK_END)
    if file.read(1) != b'\0':
        return False
    file.seek(0)
    data = file.read()
    at = 2
    while data[at : at + 1] == b'\xff' and data[at + 1] != 0xDA:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], 'big')
    return data[at : at + 1] == b'\xff' and b'\xff\xd9' not in data[at:]


def png_says_more_behind(file: IO[bytes]) -> bool:
    """Whether a PNG's orientation may stand behind its pixels."""
    file.seek(8)
    behind = False
    while len(lead := file.read(8)) == 8:
        name = lead[4:]
        if name == b'IDAT':
            behind = True
        elif behind and name in (b'eXIf', b'iTXt', b'tEXt', b'zTXt'):
            return True
        file.seek(int.from_bytes(lead[:4], 'big') + 4, os.SEEK_CUR)
    return False
