"""A survey of the images of a data set: depth, range and kinds."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from mmcvgssl.datasets.reading.depth import common_range
from mmcvgssl.datasets.reading.formats import UnreadableImageError
from mmcvgssl.datasets.reading.opened_image import OpenedImage
from mmcvgssl.datasets.reading.read import extremes
from mmcvgssl.utils import evenly, printable

HEADERS = 1000  # headers that are read, evenly over a data set
DEEP, PLAIN = 256, 16  # decoded
_LEAST_USE = 1 / 20  # of a range, by all but the last thousandth of values
_ENDS = (0.1, 99.9)  # percentiles

Range = tuple[float, float]


@dataclass
class Survey:
    """Findings in a sample of a data set's images.

    Args:
        count: Number of images of the data set.
        headers: Number of headers that were read.
        deep: Files of more than 8 bits, or of signed or float values.
        plain: Other files.
        kinds: How deep files store values, by an example each.
        measured: Smallest and largest value of each deep file that was
            decoded.
        used: The range without the ends of the values that were decoded.
    """

    count: int
    headers: int = 0
    deep: list[str] = field(default_factory=list)
    plain: list[str] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    floats: bool = False
    integers: bool = False
    measured: list[Range] = field(default_factory=list)
    used: Range | None = None

    def choose_range(self) -> Range:
        """Choose the range of the deep files.

        Raises:
            ValueError: If some hold floats and others integers.
        """
        if self.floats and self.integers:
            examples = ', '.join(
                f'{printable(path)} of {kind}'
                for kind, path in self.kinds.items()
            )
            raise ValueError(
                'images of floats and of integers have no range in common '
                f'({examples}): save them alike, or set '
                'depth_range=(low, high)'
            )
        if not self.measured:
            raise UnreadableImageError(
                f'no image of more than 8 bits can be read, {self.deep[0]} '
                'among them: repair them, or set depth_range=(low, high)'
            )
        return common_range(self.measured, self.floats)

    def lines(
        self, depth_range: Range | None, given: bool
    ) -> Iterator[tuple[int, str]]:
        """Yield level and text of each line for the log.

        Args:
            depth_range: Range of values of the deep files.
            given: Whether the config gives the range; else it was measured.
        """
        if self.deep and depth_range is not None:
            depths = ' and '.join(self.kinds)
            text = f'images are of {depths}'
            if self.measured:
                low = min(low for low, _ in self.measured)
                high = max(high for _, high in self.measured)
                text += f' and use {low:g} to {high:g}'
            source = 'as given'
            if not given:
                source = (
                    f'measured on {len(self.measured)} of {self.count} images'
                )
            yield (
                logging.INFO,
                f'{text}: read with depth_range={depth_range}, {source}',
            )
        if self.deep and self.plain:
            yield (
                logging.WARNING,
                f'{len(self.deep)} of {self.headers} images have more than 8 '
                f'bits, {printable(self.deep[0])} among them, and '
                f'{len(self.plain)} have 8, {printable(self.plain[0])} among '
                'them, to which depth_range does not apply: do both show the '
                'same brightness?',
            )
        low, high = depth_range if self.deep and depth_range else (0, 255)
        if self.used is None:
            return
        share = (self.used[1] - self.used[0]) / (high - low)
        if share < _LEAST_USE:
            advice = (
                'set depth_range=(low, high) to what they use'
                if self.deep
                else 'they may have been darkened when they were saved'
            )
            yield (
                logging.WARNING,
                f'the images use {self.used[0]:g} to {self.used[1]:g} of '
                f'({low:g}, {high:g}), under a twentieth of the range: '
                f'{advice}',
            )


def survey_images(
    paths: Sequence[str],
    page: int | None = None,
    max_pixels: int | None = None,
) -> Survey:
    """Read headers of a sample of images, and decode some of them.

    Files that cannot be read are left out here; who reads them all names
    them.

    Args:
        paths: Paths of all images.
        page: See :func:`read_image`.
        max_pixels: See :func:`read_image`.
    """
    found = Survey(len(paths))
    for i in evenly(len(paths), HEADERS):
        try:
            with OpenedImage(paths[i], page, max_pixels) as image:
                samples = image.samples
        except UnreadableImageError:
            continue
        found.headers += 1
        (found.deep if samples.deep else found.plain).append(paths[i])
        if samples.deep:
            found.kinds.setdefault(str(samples), paths[i])
            found.floats |= samples.kind == 'f'
            found.integers |= samples.kind != 'f'
    sample = found.deep or found.plain
    most = DEEP if found.deep else PLAIN
    ends = []
    for i in evenly(len(sample), most):
        try:
            with OpenedImage(sample[i], page, max_pixels) as image:
                values = image.pixels(None if found.deep else 64)
                if found.deep:
                    found.measured.append(extremes(image.path, values))
        except UnreadableImageError:
            continue
        ends.append(np.percentile(values, _ENDS))
    if ends:
        lows, highs = zip(*ends, strict=True)
        found.used = float(min(lows)), float(max(highs))
    return found
