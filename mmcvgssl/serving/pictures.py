"""Pictures that the page shows of images."""

from __future__ import annotations

import threading

import cv2
import numpy as np

from mmcvgssl.apis.prediction.picture_job import read_source
from mmcvgssl.datasets.reading import read_image
from mmcvgssl.serving.session import SentImage, Session
from mmcvgssl.visualization.fitted import fitted

THUMB, LARGE = 200, 1400  # pixels of the longer side
KINDS = ('thumb', 'picture', 'drawn')
_KEPT = 500  # pictures that are sent again without being made again
_one_at_a_time = threading.Lock()  # an image may have half a gigabyte


def picture_of(session: Session, number: int, kind: str) -> bytes:
    """Return a picture as JPEG; the last ones of a session are at hand.

    Args:
        session: Whose image it is.
        number: Number of the image.
        kind: ``'thumb'``; ``'picture'``, the image; or ``'drawn'``, what was
            found in it.

    Raises:
        KeyError: If there is no such image.
        OSError: If the image cannot be read.
    """
    image, made = session.image(number), session.pictures
    key = number, kind, session.version
    with _one_at_a_time:
        if key not in made:
            made[key] = _picture(session, image, kind)
        made.move_to_end(key)
        while len(made) > _KEPT:
            made.popitem(last=False)
        return made[key]


def drawn_image(session: Session, image: SentImage) -> np.ndarray:
    """Draw what was found on an image, BGR uint8 [h, w, 3].

    Raises:
        OSError: If it cannot be read.
    """
    file = session.overlay_of(image)
    if file.is_file():
        return read_image(str(file))
    picture = _read(session, image)
    found = session.judged(image)
    if found.size is None:
        return picture
    drawing = session.kind.drawing(found)
    return picture if drawing is None else drawing(picture, found.size)


def _picture(session: Session, image: SentImage, kind: str) -> bytes:
    plain = kind == 'picture' or session.served.kind == 'classifier'
    made = _read(session, image) if plain else drawn_image(session, image)
    made = fitted(made, THUMB if kind == 'thumb' else LARGE)
    options = [cv2.IMWRITE_JPEG_QUALITY, 90]
    return cv2.imencode('.jpg', made, options)[1].tobytes()


def _read(session: Session, image: SentImage) -> np.ndarray:
    reading = session.served.reading
    if session.labelling is not None:
        reading = session.labelling.reading
    return read_source(str(image.path), reading, LARGE)
