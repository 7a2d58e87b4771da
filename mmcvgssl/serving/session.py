"""What one visitor of the page has sent, and what was found in it."""

from __future__ import annotations

import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mmcvgssl.apis.opinion import Opinion
from mmcvgssl.apis.prediction.prediction_kind import PredictionKind
from mmcvgssl.predictions import Prediction
from mmcvgssl.serving.limits import Limits
from mmcvgssl.serving.served_model import BATCH, NO_LABELS, ServedModel
from mmcvgssl.serving.uploads import UploadError, shown_name
from mmcvgssl.utils import printable

if TYPE_CHECKING:
    from mmcvgssl.apis.labelling import Labelling


class SessionEndedError(RuntimeError):
    """A session is over."""


@dataclass
class SentImage:
    """An image of a visitor.

    Args:
        number: Its number in the session, from 1 on.
        name: What it is called on the page and in tables.
        path: The file, which has a name of the server's.
        position: Its position among the visitor's images.
        prediction: What was found; None: nothing was looked for yet.
    """

    number: int
    name: str
    path: Path
    position: int = 0
    prediction: Prediction | None = None


class Session:
    """Images of one visitor, in a folder that is deleted with the session.

    Args:
        key: Text that nobody can guess, by which the visitor's page is known.
        folder: New folder for its files.
        served: The model.
        limits: What a visitor may send.
    """

    def __init__(
        self, key: str, folder: Path, served: ServedModel, limits: Limits
    ) -> None:
        folder.mkdir(mode=0o700)
        self.key, self.folder, self.served = key, folder, served
        self.limits, self.lock = limits, threading.RLock()
        self.threshold = served.threshold
        self.labelling = served.labelling() if served.learns else None
        self.opinion = Opinion()
        self.seen, self.ended = time.monotonic(), False
        self.version = 0  # counts changes of what pictures show
        self.pictures: OrderedDict[tuple, bytes] = OrderedDict()
        self.at_end: list[Callable[[], object]] = []
        self._images: dict[int, SentImage] = {}
        self._waiting: list[int] = []
        self._last = 0

    def touch(self) -> None:
        """Note that the visitor is still there.

        Raises:
            SessionEndedError: If the session is over.
        """
        if self.ended:
            raise SessionEndedError(
                'this session is over, and what was sent is deleted: reload '
                'the page'
            )
        self.seen = time.monotonic()

    @property
    def images(self) -> list[SentImage]:
        """All images that were taken, in the visitor's order."""
        with self.lock:
            every = [*self._images.values()]
        return sorted(every, key=lambda image: (image.position, image.number))

    def image(self, number: int) -> SentImage:
        """Return an image.

        Raises:
            KeyError: If there is none of the number.
        """
        with self.lock:
            if number not in self._images:
                raise KeyError(f'there is no image {number}')
            return self._images[number]

    def reserve(self, suffix: str) -> tuple[int, Path]:
        """Return number and file of an image that is coming.

        Raises:
            UploadError: If there are as many as a session may have.
        """
        with self.lock:
            if len(self._images) >= self.limits.max_images:
                raise UploadError(
                    f'a session has {self.limits.max_images} images at most: '
                    'download the results and clear the page, or predict '
                    'whole folders by mmcvgssl predict',
                    413,
                )
            self._last += 1
            return self._last, self.folder / f'{self._last:06d}{suffix}'

    def take(
        self, number: int, given: str, path: Path, position: int = 0
    ) -> SentImage:
        """Add an image that has come; see :class:`SentImage`."""
        with self.lock:
            self.touch()
            names = {image.name for image in self._images.values()}
            name = shown_name(given, names)
            image = SentImage(number, name, path, position)
            self._images[number] = image
            self._waiting.append(number)
            return image

    def judge_all(self) -> Iterator[tuple[int, int]]:
        """Judge what has come, batch by batch.

        Yields:
            Numbers of images that are judged, and of all.
        """
        while True:
            with self.lock:
                self.touch()
                part, self._waiting = (
                    self._waiting[:BATCH],
                    self._waiting[BATCH:],
                )
                images = [self._images[number] for number in part]
            if not images:
                break
            self._judge(images)
            every = self.images
            done = sum(image.prediction is not None for image in every)
            yield done, len(every)
        self.learn()

    def _judge(self, images: Sequence[SentImage]) -> None:
        with self.served.lock:
            self.touch()  # the folder is there until the lock is free
            with self.lock:  # the visitor may have cleared the page
                images = [i for i in images if i.number in self._images]
            paths = [str(image.path) for image in images]
            if self.labelling is not None:
                made: Sequence[Prediction] = self.labelling.add(paths)
            else:
                maps = self.served.judging(self.threshold).has_maps
                made = self.served.predict(
                    paths, self._overlay if maps else None
                )
        for image, prediction in zip(images, made, strict=True):
            if hasattr(prediction, 'anomaly_map'):
                prediction.anomaly_map = None  # it is in the overlay
            image.prediction = prediction

    def learn(self) -> None:
        """Learn from the labels, and judge all images anew."""
        if self.labelling is None:
            return
        with self.served.lock:
            self.touch()
            self.opinion = self.labelling.learn()
        with self.lock:
            self.version += 1
            for image in self._images.values():
                found = self.opinion.predictions.get(str(image.path))
                if found is not None:
                    image.prediction = found

    def assign(self, numbers: Sequence[int], name: str | None) -> None:
        """Give images a class, or none, and learn.

        Raises:
            KeyError: If there is no such image.
            ValueError: See :meth:`Labelling.assign`, or if the model learns
                no labels.
        """
        labelling = self._learning()
        paths = [str(self.image(number).path) for number in numbers]
        with self.served.lock:
            self.touch()
            labelling.assign(paths, name)
        self.learn()

    def model_file(self) -> bytes:
        """Return the model file of what was learned.

        Raises:
            ValueError: If nothing can be learned from the labels, or the
                model learns none.
        """
        labelling = self._learning()
        with self.served.lock:
            self.touch()
            return labelling.content().to_bytes()

    def _learning(self) -> Labelling:
        if self.labelling is None:
            raise ValueError(NO_LABELS)
        return self.labelling

    def move_threshold(self, threshold: float | None) -> None:
        """Judge by another threshold; None: that of the file."""
        with self.lock:
            if threshold is None:
                threshold = self.served.threshold
            self.served.judging(threshold)  # checks it
            self.threshold = threshold
            self.version += 1

    @property
    def kind(self) -> PredictionKind:
        """What describes and draws predictions."""
        classes: Sequence[str] = ()
        if self.labelling is not None:
            classes = self.labelling.classes
        return self.served.judging(self.threshold, classes)

    def predictions(self) -> list[Prediction]:
        """Return what was found, by names of the visitor's."""
        return [
            self.judged(image)
            for image in self.images
            if image.prediction is not None
        ]

    def judged(self, image: SentImage) -> Prediction:
        """Return what was found in an image, by the visitor's threshold.

        Raises:
            ValueError: If it has not been predicted yet.
        """
        made = image.prediction
        if made is None:
            raise ValueError(
                f'expected an image that was predicted, got {image.name}, '
                'which waits: ask again in a moment'
            )
        error = made.error
        if error is not None:
            error = error.replace(str(image.path), image.name)
        return replace(made.at(self.threshold), path=image.name, error=error)

    def label_of(self, image: SentImage) -> str | None:
        """Return the label that the visitor has given."""
        if self.labelling is None:
            return None
        return self.labelling.labels.get(str(image.path))

    def named(self, text: str) -> str:
        """Name files in a message as the visitor does."""
        for image in self.images:
            text = text.replace(str(image.path), image.name)
        return printable(text.replace(f'{self.folder}/', ''))

    def overlay_of(self, image: SentImage) -> Path:
        """Return the file of an overlay that was drawn when it was judged."""
        return self._overlay(str(image.path))

    def _overlay(self, path: str) -> Path:
        return self.folder / 'overlays' / f'{Path(path).stem}.png'

    def clear(self) -> None:
        """Delete all images and labels."""
        with self.served.lock, self.lock:
            self.touch()
            paths = [image.path for image in self._images.values()]
            if self.labelling is not None:
                self.labelling.forget([str(path) for path in paths])
                self.opinion = Opinion()
            self._images, self._waiting = {}, []
            self.pictures.clear()
            for path in paths:
                path.unlink(missing_ok=True)
                self._overlay(str(path)).unlink(missing_ok=True)

    def end(self) -> None:
        """Delete everything."""
        self.ended = True
        # whoever writes there has the lock, and looks first
        with self.served.lock, self.lock:
            self._images, self._waiting = {}, []
            self.labelling, self.opinion = None, Opinion()
            self.pictures = OrderedDict()
            for work in self.at_end:
                work()
            shutil.rmtree(self.folder, ignore_errors=True)
