"""The way of many images through reading, a model and drawing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from itertools import islice
from pathlib import Path

from mmcvgssl.apis.prediction.picture_job import LoadedImage, Source
from mmcvgssl.apis.prediction.prediction_kind import PredictionKind
from mmcvgssl.apis.prediction.workers import WorkerError, Workers
from mmcvgssl.predictions import Prediction
from mmcvgssl.processes import compute_threads
from mmcvgssl.provenance import FileState

ROOM = 1 << 30  # bytes of pictures that wait to be drawn on
# returns the path of the overlay of an image
NameOverlay = Callable[[str], Path]
# images of a batch with their numbers
Part = Sequence[tuple[int, Source]]


class PredictionRun:
    """One pass over images: it reads ahead, computes and draws.

    Args:
        kind: What predicts.
        workers: Workers, whose job reads images and draws on them.
        overlay: Names the file of an image's overlay; None: none is drawn.
        full_overlay: See :meth:`PictureJob.draw`.
        known: States of the images' files, which predictions are given.
    """

    def __init__(
        self,
        kind: PredictionKind,
        workers: Workers,
        overlay: NameOverlay | None,
        full_overlay: bool,
        known: Mapping[str, FileState],
    ) -> None:
        self.kind, self.workers = kind, workers
        self.overlay, self.full_overlay = overlay, full_overlay
        self.known = known

    def batches(
        self, images: Iterable[Source], size: int
    ) -> Iterator[list[Prediction]]:
        """Predict images in order, in batches of a size.

        A batch is given when its overlays are written, with the next one
        being computed. Without worker processes, the images of a batch are
        taken when it is computed, and not earlier.

        Args:
            images: Paths, or pictures in memory.
            size: How many of them pass the model at once.

        Raises:
            WorkerError: If a worker process is ended from outside.
        """
        waiting: list[tuple[list[Prediction], list[Future | None]]] = []
        try:
            for part, coming in self._coming(_parts(images, size)):
                loaded = [future.result() for future in coming]
                made = self._predict(part, loaded)
                # not in memory while the next ones are read: each can be
                # large, as in tiles
                coming.clear()
                del loaded
                waiting.append((made, self._draw(part, made)))
                while len(waiting) > 1 or (waiting and _done(waiting[0][1])):
                    yield _finish(*waiting.pop(0))
        except (Exception, KeyboardInterrupt, SystemExit) as error:
            # predictions that were computed are still given
            for made, drawn in waiting:
                if not isinstance(error, WorkerError):
                    yield _finish(made, drawn)
            raise
        for made, drawn in waiting:
            yield _finish(made, drawn)

    def _coming(
        self, parts: Iterator[Part]
    ) -> Iterator[tuple[Part, list[Future]]]:
        """Yield batches being read; workers have the next one, too."""
        ahead: list[tuple[Part, list[Future]]] = []
        for part in parts:
            ahead.append((part, self._load(part)))
            if len(ahead) > 1 or not self.workers.count:
                yield ahead.pop(0)
        yield from ahead

    def _load(self, part: Part) -> list[Future]:
        keep = self.overlay is not None
        return [
            self.workers.submit(
                *(key, 'load', source, keep, self.known.get(str(source)))
            )
            for key, source in part
        ]

    def _predict(
        self, part: Part, loaded: Sequence[LoadedImage]
    ) -> list[Prediction]:
        read = [
            (str(source), image)
            for (_, source), image in zip(part, loaded, strict=True)
            if image.error is None
        ]
        made: Iterator[Prediction] = iter(())
        if read:
            paths, images = zip(*read, strict=True)
            with self.kind.threads(compute_threads()):
                made = iter(self.kind.predict(paths, images))
        found = []
        for (_, source), image in zip(part, loaded, strict=True):
            if image.error is not None:
                found.append(
                    self.kind.prediction(str(source), error=image.error)
                )
                continue
            prediction = next(made)
            prediction.size, prediction.file = image.size, image.file
            found.append(prediction)
        return found

    def _draw(
        self,
        part: Part,
        made: Sequence[Prediction],
    ) -> list[Future | None]:
        futures: list[Future | None] = []
        for (key, source), prediction in zip(part, made, strict=True):
            future: Future | None = None
            if self.overlay is not None and prediction.is_read:
                drawing = self.kind.drawing(prediction)
                if drawing is None:
                    self.workers.submit(key, 'forget')
                else:
                    future = self.workers.submit(
                        *(key, 'draw', source, prediction.size, drawing),
                        *(self.overlay(str(source)), self.full_overlay),
                    )
            futures.append(future)
        return futures


def _parts(images: Iterable[Source], size: int) -> Iterator[Part]:
    """Yield images with their numbers, so many at once."""
    numbered = enumerate(images)
    while part := [*islice(numbered, size)]:
        yield part


def _done(futures: Sequence[Future | None]) -> bool:
    return all(future is None or future.done() for future in futures)


def _finish(
    made: list[Prediction], drawn: Sequence[Future | None]
) -> list[Prediction]:
    """Wait for the overlays of a batch; note which there are not."""
    for prediction, future in zip(made, drawn, strict=True):
        if future is not None:
            prediction.error = future.result()
    return made
