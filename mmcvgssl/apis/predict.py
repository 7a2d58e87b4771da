"""Predictions of images, from one model file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.registry import init_default_scope

from mmcvgssl.apis.prediction import Prediction, kind_of
from mmcvgssl.apis.prediction.anomaly import draw_heatmap
from mmcvgssl.apis.prediction.job import ImageJob, LoadedImage
from mmcvgssl.apis.prediction.workers import (
    WorkerError,
    Workers,
    limited_threads,
    threads_beside,
    workers_for,
)
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.layouts.mask_files import warn_of_masks
from mmcvgssl.datasets.preparation.images import images_below
from mmcvgssl.datasets.tiles import images_at_once
from mmcvgssl.maps.images import listed_images
from mmcvgssl.model_file import load_model, prediction_steps
from mmcvgssl.model_file.anomaly import KIND as ANOMALY
from mmcvgssl.provenance import FileState, of_file
from mmcvgssl.runner.image_reading import hand_down
from mmcvgssl.utils import printable

_ROOM = 1 << 30  # bytes of pictures that wait to be drawn on
# returns the path of the overlay of an image
NameOverlay = Callable[[str], Path]


class Predictor:
    """Predicts images with the model of a model file.

    Worker processes decode images and draw overlays while the model
    computes. Predictions do not depend on the number of workers.

    Args:
        model: A model file, of whatever kind.
        config: A config whose ``test_dataloader`` says how images are read,
            instead of the file.
        device: Device of the model; by default the GPU, if there is one.
        batch_size: Images that pass the model at once; one in tiles is read
            alone.
        threshold: Threshold that replaces the file's.
        workers: Processes that read images; 0: this one does. By default
            :func:`default_workers`, and none for a few images.

    Raises:
        FileNotFoundError: If a file is missing.
        mmcvgssl.weights.WeightsError: If the model file is something else,
            cut off, or names what no file may name.
        ValueError: If an option is out of range, or a config is given for a
            classifier or detector.

    Example:
        >>> predictor = Predictor('model.safetensors')
        >>> [p.path for p in predictor(['test_images/crack/0.png'])]
        ['test_images/crack/0.png']
    """

    def __init__(
        self,
        model: str | Path,
        config: Config | None = None,
        device: str | None = None,
        batch_size: int = 32,
        threshold: float | None = None,
        workers: int | None = None,
    ) -> None:
        for name, value, least in (
            ('batch_size', batch_size, 1),
            ('workers', workers, 0),
        ):
            if value is not None and value < least:
                raise ValueError(f'{name} is {least} or more, got {value}')
        init_default_scope('mmpretrain')
        loaded = load_model(model)
        self.path, self.content = Path(model), loaded.content
        device = device or ('cuda' if torch.cuda.is_available() else 'cpu')
        loaded.model.to(device)
        self.device = torch.device(device)
        self.kind = kind_of(loaded, threshold)
        self.steps: list[dict[str, Any]] = loaded.content.images['pipeline']
        self.transforms = loaded.transforms
        if config is not None:
            if self.content.kind != ANOMALY:
                raise ValueError(
                    'a config says how anomaly models read images; a '
                    f'{self.content.kind} reads as its file says: leave '
                    '--config out'
                )
            self.steps = _steps_of(config)
            self.transforms = Compose(self.steps).transforms
        self.batch_size = images_at_once(self.steps, batch_size)
        self.workers = workers

    def __call__(self, paths: Sequence[str | Path]) -> Iterator[Prediction]:
        """Predict images in order; what cannot be read has an ``error``."""
        for batch in self.batches([str(path) for path in paths]):
            yield from batch

    def batches(
        self,
        paths: Sequence[str],
        overlay: NameOverlay | None = None,
        full_overlay: bool = False,
        known: Mapping[str, FileState] | None = None,
    ) -> Iterator[list[Prediction]]:
        """Predict images in order, batch by batch.

        A batch is given when its overlays are written, with the next one
        being computed.

        Args:
            paths: Paths of the images.
            overlay: Names the file of an image's overlay; None: none is
                drawn.
            full_overlay: See :meth:`ImageJob.draw`.
            known: States of the images' files, which predictions are given.

        Raises:
            WorkerError: If a worker process is ended from outside.
        """
        count = workers_for(len(paths), self.workers, self.device)
        room = _ROOM // max(count, 1)
        extra = {'category': self.content.category}
        job = ImageJob(self.transforms, extra, room)
        numbered = [*enumerate(paths)]
        parts = [
            numbered[first : first + self.batch_size]
            for first in range(0, len(paths), self.batch_size)
        ]
        with Workers(job, count) as workers:
            run = _Run(self, workers, overlay, full_overlay, known or {})
            yield from run.batches(parts)

    def describe(self) -> dict[str, Any]:
        """Return which model file it is, as JSON can hold it."""
        return {
            'file': printable(self.path.name),
            'digest': of_file(self.path),
            'kind': self.content.kind,
            'type': self.content.model.get('type'),
            'made_with': self.content.made_with,
            'remarks': list(self.content.remarks),
        }


class _Run:
    """One pass over images: it reads ahead, computes and draws."""

    def __init__(
        self,
        predictor: Predictor,
        workers: Workers,
        overlay: NameOverlay | None,
        full_overlay: bool,
        known: Mapping[str, FileState],
    ) -> None:
        self.kind, self.workers = predictor.kind, workers
        self.overlay, self.full_overlay = overlay, full_overlay
        self.known = known

    def batches(
        self, parts: Sequence[Sequence[tuple[int, str]]]
    ) -> Iterator[list[Prediction]]:
        waiting: list[tuple[list[Prediction], list[Future | None]]] = []
        coming = self._load(parts[0]) if parts else []
        try:
            for number, part in enumerate(parts):
                loaded = [future.result() for future in coming]
                if number + 1 < len(parts):
                    coming = self._load(parts[number + 1])
                made = self._predict(part, loaded)
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

    def _load(self, part: Sequence[tuple[int, str]]) -> list[Future]:
        keep = self.overlay is not None
        return [
            self.workers.submit(key, 'load', path, keep, self.known.get(path))
            for key, path in part
        ]

    def _predict(
        self, part: Sequence[tuple[int, str]], loaded: Sequence[LoadedImage]
    ) -> list[Prediction]:
        read = [
            (path, image)
            for (_, path), image in zip(part, loaded, strict=True)
            if image.error is None
        ]
        made: Iterator[Prediction] = iter(())
        if read:
            paths, images = zip(*read, strict=True)
            items = [image.item for image in images]
            with limited_threads(threads_beside(self.workers.count)):
                made = iter(self.kind.predict(paths, items))
        found = []
        for (_, path), image in zip(part, loaded, strict=True):
            if image.error is not None:
                found.append(self.kind.prediction(path, error=image.error))
                continue
            prediction = next(made)
            prediction.size, prediction.file = image.size, image.file
            found.append(prediction)
        return found

    def _draw(
        self,
        part: Sequence[tuple[int, str]],
        made: Sequence[Prediction],
    ) -> list[Future | None]:
        futures: list[Future | None] = []
        for (key, path), prediction in zip(part, made, strict=True):
            future: Future | None = None
            if self.overlay is not None and prediction.is_read:
                drawing = self.kind.drawing(prediction)
                if drawing is None:
                    self.workers.submit(key, 'forget')
                else:
                    future = self.workers.submit(
                        *(key, 'draw', path, prediction.size, drawing),
                        *(self.overlay(path), self.full_overlay),
                    )
            futures.append(future)
        return futures


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


def _steps_of(config: Config) -> list[dict[str, Any]]:
    loader = config.get('test_dataloader')
    if loader is None:
        raise ValueError(
            f'{config.filename} does not say how images are read: expected '
            'test_dataloader, as in configs/anomaly; leave --config out for '
            'what the model file says'
        )
    config = copy.deepcopy(config)
    hand_down(config)
    return prediction_steps(config.test_dataloader.dataset.pipeline)


def overlay(
    image: np.ndarray,
    anomaly_map: np.ndarray,
    map_threshold: float | None = None,
) -> np.ndarray:
    """Lay a heatmap over an image, as tools/predict.py does.

    Args:
        image: BGR uint8 [H, W, 3].
        anomaly_map: [h, w]; resized to the image.
        map_threshold: Map threshold, the middle of the colours; None: the
            colours span the map's own values.

    Returns:
        BGR uint8 [H, W, 3].

    Example:
        >>> import numpy as np
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> overlay(image, np.eye(2), 0.5).shape
        (8, 8, 3)
    """
    return draw_heatmap(
        image, anomaly_map=anomaly_map, map_threshold=map_threshold
    )


def is_list(path: Path) -> bool:
    """Whether a path is that of a list of images."""
    return path.suffix.lower() == '.txt' and path.is_file()


def find_images(
    path: str | Path,
    skip: Sequence[str | Path] = (),
    contents: Contents | None = None,
    root: str | Path | None = None,
    encoding: str = '',
) -> list[Path]:
    """Return an image itself, or those of a folder in any nesting or a list.

    Args:
        path: Image, folder, or list: ``NAME.txt``, one path a line.
        skip: Folders below it whose pictures are no input.
        contents: Collects the files that are left out, by reason.

        root: Folder that listed paths are relative to; by default the
            list's.
        encoding: Encoding of the list.

    Raises:
        FileNotFoundError: If there is none of them.
        ValueError: If there is no image, or a listed one lies out of the
            folder.
    """
    path = Path(path)
    if is_list(path):
        home, names = listed_images(path, root, encoding)
        if not names:
            raise ValueError(f'{path}: no images; expected one path a line')
        return [home / name for name in names]
    if root is not None:
        raise ValueError(
            f'--root {root} is for the paths of a list, NAME.txt, and '
            f'{path} is none: leave it out'
        )
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(
            f'expected an image, a folder or a list of images, found no {path}'
        )
    report = contents if contents is not None else Contents(str(path))
    found = [
        path / name
        for name in images_below(path, [*map(Path, skip)], contents=report)
    ]
    warn_of_masks(
        path, [p.relative_to(path).as_posix() for p in found], report
    )
    if not found:
        raise ValueError(f'{path}: no images; {report.left_out_text()}')
    return found
