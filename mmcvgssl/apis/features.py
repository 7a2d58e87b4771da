"""Features of images by a model file, a checkpoint or a packaged network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import TRANSFORMS, DefaultScope
from torch import Tensor, nn

from mmcvgssl.apis.device import choose_device
from mmcvgssl.apis.encoder import PACKAGE, Encoder
from mmcvgssl.apis.prediction.image_job import ImageJob
from mmcvgssl.apis.prediction.picture_job import LoadedImage
from mmcvgssl.apis.prediction.workers import Workers, workers_for
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.datasets.tiles import TILES, images_at_once
from mmcvgssl.datasets.transforms.load_image import reading_options
from mmcvgssl.evaluation.few_shot.features import (
    Rows,
    as_encoder,
    to_unit_rgb,
)
from mmcvgssl.model_file import LoadedModel, is_model_file, load_model
from mmcvgssl.models.anomaly import OneClassDetector
from mmcvgssl.models.anomaly.tiled_images import (
    TiledImages,
    TilePreprocessor,
)
from mmcvgssl.models.classifiers import ProbeClassifier, Standardized
from mmcvgssl.models.layers import global_pool
from mmcvgssl.models.teachers import FrozenTeacher
from mmcvgssl.processes import compute_threads, limited_threads
from mmcvgssl.progress import progress_bar
from mmcvgssl.runner.image_reading import settle_images
from mmcvgssl.utils import check_least, printable, some
from mmcvgssl.weights.packages import PACKAGES

SIZE = 224  # pixels, of images where neither file nor option says it
# takes the inputs of images as the transforms give them, [N, 3, H, W], and
# returns features [N, D]
Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Features:
    """Features of images that could be read.

    Args:
        rows: float32 [n, D].
        indices: Indices [n] of the images among those asked for.
        sizes: Height and width of the files, pixels, by index.
        errors: Why others could not be read, by index.
        reading: Options of reading, for :func:`read_image`.

    Example:
        >>> features = Features(np.zeros((1, 4)), [0], {0: (8, 8)}, {}, {})
        >>> len(features.rows), features.errors
        (1, {})
    """

    rows: np.ndarray
    indices: list[int]
    sizes: dict[int, tuple[int, int]]
    errors: dict[int, str]
    reading: dict[str, Any]

    def of_all(self) -> np.ndarray:
        """Return the features of all images, float32 [n, D].

        Raises:
            UnreadableImageError: Names images that could not be read.
        """
        if self.errors:
            shown = some(map(printable, self.errors.values()), 'image')
            count = len(self.errors) + len(self.indices)
            raise UnreadableImageError(
                f'{shown} of {count} cannot be read: replace them, or leave '
                'them out'
            )
        return self.rows


class Extracts(Protocol):
    """What computes features of images with a network."""

    @property
    def encoder(self) -> Encoder:
        """The network, and how a classifier's file describes it."""

    def __call__(self, paths: Sequence[str | Path]) -> Features:
        """Compute features; what cannot be read has an error."""


class FeatureExtractor:
    """Computes features of images, which worker processes read.

    Args:
        source: A model file of whatever kind, the checkpoint of a training,
            ``'package:NAME'``, the weights of an installed package, or the
            model of a model file.
        config: Config of the training, for a checkpoint that holds none.
        size: Side of the images, pixels, by default 224; a model file has
            its own.
        device: Device of the network; by default the GPU, if there is one.
        batch_size: Images that pass the network at once.
        workers: Processes that read images; 0: this one does.
        show_progress: Whether calls show a bar.
        standardize: Give all levels of a packaged network or a checkpoint as
            they are, for ``encoder.network`` to standardise.

    Raises:
        FileNotFoundError: If a file is missing.
        mmcvgssl.weights.WeightsError: If a file is something else, cut off,
            or names what no file may name.
        ValueError: If an option is out of range or of no use with the
            source, or the checkpoint does not say of what it is.

    Example:
        >>> extractor = FeatureExtractor('model.safetensors')
        >>> extractor(['test_images/good/0.png']).rows.shape[0]
        1
    """

    def __init__(
        self,
        source: str | Path | LoadedModel,
        config: str | Path | None = None,
        size: int | None = None,
        device: str | None = None,
        batch_size: int = 32,
        workers: int | None = None,
        show_progress: bool = True,
        standardize: bool = False,
    ) -> None:
        check_least(
            size=(size, 1), batch_size=(batch_size, 1), workers=(workers, 0)
        )
        self.device, self.workers = choose_device(device), workers
        self.batch_size, self.show_progress = batch_size, show_progress
        name = str(source)
        if isinstance(source, LoadedModel):
            name = source.source
        self.source = name
        self._loaded: LoadedModel | None = None
        side = size or SIZE
        scaled = True if standardize else None
        if isinstance(source, LoadedModel):
            _refuse(config, 'a config', name)
            _refuse(size, f'a size of {size} pixels', name)
            _refuse(scaled, 'standardize', name)
            self._set_model(source)
        elif name.startswith(PACKAGE):
            _refuse(config, 'a config', name)
            self._set_encoder(Encoder.of_package(name, side, standardize))
        elif not Path(name).is_file():
            raise FileNotFoundError(
                f'expected features of a model file, a checkpoint or '
                f'{", ".join(PACKAGE + known for known in PACKAGES)}, found '
                f'no file {name}'
            )
        elif is_model_file(name):
            _refuse(config, 'a config', name)
            _refuse(size, f'a size of {size} pixels', name)
            _refuse(scaled, 'standardize', name)
            self._set_model(load_model(name))
        else:
            with DefaultScope.overwrite_default_scope('mmpretrain'):
                encoder = Encoder.of_checkpoint(
                    name, config, side, standardize
                )
            self._set_encoder(encoder)

    def __call__(self, paths: Sequence[str | Path]) -> Features:
        """Compute features; what cannot be read has an error.

        Raises:
            ValueError: If there is no image.
            WorkerError: If a worker process is ended from outside.
        """
        names = [str(path) for path in paths]
        if not names:
            raise ValueError(
                'expected images to compute features of, got none: name some'
            )
        transforms = self._transforms(names)
        job = ImageJob(transforms, self._extra(), 0)
        count = workers_for(
            len(names), self.workers, self.device.type == 'cpu'
        )
        rows = Rows(len(names))
        reading = reading_options(transforms)
        found = Features(np.zeros((0, 0), np.float32), [], {}, {}, reading)
        with (
            Workers(job, count) as workers,
            progress_bar(
                total=len(names),
                desc='features',
                unit='image',
                disable=not self.show_progress,
            ) as bar,
        ):
            parts = [
                range(first, min(first + self.batch_size, len(names)))
                for first in range(0, len(names), self.batch_size)
            ]
            coming = [workers.submit(i, 'load', names[i]) for i in parts[0]]
            for number, part in enumerate(parts):
                images = [future.result() for future in coming]
                after = parts[number + 1 : number + 2]
                coming = [
                    workers.submit(i, 'load', names[i])
                    for follower in after
                    for i in follower
                ]
                with limited_threads(compute_threads()):
                    for own in self._encode(_note(found, part, images)):
                        rows.add(own)
                bar.update(len(part))
        return replace(found, rows=rows.all())

    @torch.no_grad()
    def _encode(self, images: Sequence[LoadedImage]) -> list[np.ndarray]:
        step = 1 if self._alone else max(len(images), 1)
        rows = []
        for first in range(0, len(images), step):
            items = [image.item for image in images[first : first + step]]
            batch = pseudo_collate(items)
            if self._loaded is not None:
                prepare: Any = self._loaded.model.data_preprocessor
                inputs = _prepared(prepare, batch)
            else:
                stacked = torch.stack(batch['inputs']).to(self.device)
                inputs = to_unit_rgb(stacked)
            rows.append(self._compute(inputs).float().cpu().numpy())
        return rows

    def _compute(self, inputs: Tensor | TiledImages) -> Tensor:
        """Return features [N, D], the mean of those of an image's tiles."""
        if isinstance(inputs, Tensor):
            return self._network(inputs)
        means = []
        for i in range(len(inputs)):
            parts = inputs[[i]].parts([None])
            rows = [self._network(tiles) for tiles, _ in parts]
            means.append(torch.cat(rows).mean(0))
        return torch.stack(means)

    @property
    def encoder(self) -> Encoder:
        """The network, and how a classifier's file describes it.

        Raises:
            ValueError: If it is of a model file that no classifier can have.
        """
        if self._loaded is None:
            return self._encoder
        return Encoder.of_model(self._loaded)

    def _set_encoder(self, encoder: Encoder) -> None:
        self._encoder = encoder
        network = as_encoder(encoder.network, self.device).eval()
        self._network: Encode = network.forward
        if isinstance(network, Standardized):
            self._network = network.join
        self._alone = False

    def _set_model(self, loaded: LoadedModel) -> None:
        loaded.model.to(self.device)
        self._loaded = loaded
        steps = loaded.content.images['pipeline']
        self.batch_size = images_at_once(steps, self.batch_size)
        self._network, self._alone = _encoder_of(loaded)

    def _extra(self) -> dict[str, Any]:
        if self._loaded is None:
            return {}
        return {'category': self._loaded.content.category}

    def _transforms(self, paths: Sequence[str]) -> list[Any]:
        if self._loaded is not None:
            return self._loaded.transforms
        steps = self._encoder.steps
        loader = dict(dataset=dict(pipeline=steps))
        cfg = Config(dict(test_dataloader=loader))
        settle_images(cfg, testing=True, paths=paths)
        steps = cfg.test_dataloader.dataset.pipeline
        with DefaultScope.overwrite_default_scope('mmpretrain'):
            return [TRANSFORMS.build(step) for step in steps]


def _prepared(prepare: Any, batch: dict[str, Any]) -> Tensor | TiledImages:
    """Return what a model's preprocessor makes of images, or of tiles."""
    images, samples = batch['inputs'], batch['data_samples']
    if isinstance(prepare, TilePreprocessor) or images[0].ndim == 3:
        return prepare(batch, False)['inputs']

    # a detector's, which takes no tiles
    def part(tiles: list[Tensor]) -> Tensor:
        return prepare({'inputs': tiles, 'data_samples': None}, False)[
            'inputs'
        ]

    return TiledImages(images, [sample.get(TILES) for sample in samples], part)


def _note(
    found: Features, part: Sequence[int], images: Sequence[LoadedImage]
) -> list[LoadedImage]:
    """Note which images of a batch could be read; return these."""
    read = []
    for index, image in zip(part, images, strict=True):
        if image.error is not None:
            found.errors[index] = image.error
            continue
        found.indices.append(index)
        if image.size is not None:
            found.sizes[index] = image.size
        read.append(image)
    return read


def _refuse(value: object, what: str, source: str) -> None:
    if value is not None:
        raise ValueError(
            f'{what} is for the features of a checkpoint, and {source} says '
            'itself how images are read: leave it out'
        )


def _encoder_of(loaded: LoadedModel) -> tuple[Encode, bool]:
    """Return what gives features, and whether images pass one by one.

    Raises:
        ValueError: If the model has no part that does.
    """
    model: Any = loaded.model
    if isinstance(model, ProbeClassifier):
        # as of any network; a classifier brings them to length 1
        encode = as_encoder(model.encoder)
        return lambda images: encode(images / 255), False
    if isinstance(model, OneClassDetector):
        return lambda images: model.embed(images).mean(1), False
    parts = model.frozen().values() if hasattr(model, 'frozen') else ()
    teacher = next((p for p in parts if isinstance(p, FrozenTeacher)), None)
    if teacher is not None:
        return teacher.forward, False
    if isinstance(getattr(model, 'backbone', None), nn.Module):
        # images of several sizes are padded to one in a batch, and features
        # would depend on their neighbours
        return lambda images: global_pool(model.backbone(images)), True
    raise ValueError(
        f'{loaded.source}: {type(model).__name__} has no frozen network or '
        'backbone that gives features: name a model file of PatchCore or of '
        'a classifier, or a checkpoint'
    )
