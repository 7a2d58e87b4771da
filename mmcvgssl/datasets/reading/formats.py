"""Which image files the reader reads."""

from __future__ import annotations

# what their names end in, in small letters; the content decides the format
SUFFIXES = (
    *('.jpg', '.jpeg', '.jpe', '.jfif', '.mpo'),
    *('.png', '.apng', '.bmp', '.dib', '.gif', '.webp'),
    *('.tif', '.tiff'),
    *('.jp2', '.j2k', '.j2c', '.jpx', '.jpf'),
    *('.ppm', '.pgm', '.pbm', '.pnm'),
)
