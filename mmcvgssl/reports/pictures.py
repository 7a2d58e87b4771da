"""Pictures in a page: small, as JPEG, and not more than fit."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mmcvgssl.datasets.reading import UnreadableImageError, read_image
from mmcvgssl.utils import check_least, printable
from mmcvgssl.visualization.fitted import fitted

_MEGA, _QUALITY = 10**6, 82


class Pictures:
    """Pictures of a page, whose bytes are counted.

    Args:
        megabytes: Most bytes of all of them together, in the page's text.
        most: Most pictures of a gallery.

    Raises:
        ValueError: If one is less than 1.

    Attributes:
        problems: Why some could not be drawn.
    """

    def __init__(self, megabytes: int = 20, most: int = 48) -> None:
        check_least(megabytes=(megabytes, 1), pictures=(most, 1))
        self.limit, self.most = megabytes * _MEGA, most
        self.used = self.count = self.left_out = 0
        self.problems: list[str] = []

    @property
    def full(self) -> bool:
        """Whether a picture has been left out for its size."""
        return self.left_out > 0

    def add(self, picture: np.ndarray) -> str:
        """Return a picture BGR uint8 [h, w, 3] as a data URI.

        Empty if it does not fit; nor do those after it then.
        """
        options = [cv2.IMWRITE_JPEG_QUALITY, _QUALITY]
        data = cv2.imencode('.jpg', picture, options)[1].tobytes()
        text = f'data:image/jpeg;base64,{base64.b64encode(data).decode()}'
        if self.full or self.used + len(text) > self.limit:
            self.left_out += 1
            return ''
        self.used += len(text)
        self.count += 1
        return text


class Source:
    """Where images lie, and how they are read.

    Args:
        root: Folder that they were in; paths begin with it.
        images: Folder that they are in now; None: the same.
        reading: Options of :func:`read_image`.
    """

    def __init__(
        self,
        root: str | Path,
        images: Path | None = None,
        reading: Mapping[str, Any] | None = None,
    ) -> None:
        self.root, self.images = Path(root), images
        self.reading = dict(reading or {})

    def locate(self, path: str) -> Path:
        """Return where an image lies.

        Args:
            path: Its path as it was recorded, from the folder that the
                command was typed in. One that is not below the root is
                where it was: another image may have its name.
        """
        whole = Path(path)
        if self.images is None or not whole.is_relative_to(self.root):
            return whole
        return self.images / whole.relative_to(self.root)

    def read(self, path: str, side: int) -> np.ndarray:
        """Read an image whose longer side is this at most, in pixels.

        Returns:
            BGR uint8 [h, w, 3].

        Raises:
            UnreadableImageError: If it is missing or no image.
        """
        file = self.locate(path)
        if not file.is_file():
            raise UnreadableImageError(
                f'no file {printable(str(file))}: name the folder that the '
                'images are in now, by --images'
            )
        # JPEG at a half, a quarter or an eighth
        picture = read_image(str(file), input_size=side, **self.reading)
        return fitted(picture, side)
