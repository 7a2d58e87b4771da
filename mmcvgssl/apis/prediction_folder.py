"""Predictions of a folder, and the files that they are written to."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from mmcvgssl.apis.prediction import Prediction, PredictionKind
from mmcvgssl.apis.prediction.earlier import (
    PARTIAL,
    PartialFile,
    find_known,
    settle_predictions,
)
from mmcvgssl.apis.prediction.find_images import find_images, images_home
from mmcvgssl.apis.prediction.picture_job import Source
from mmcvgssl.apis.prediction.prediction_run import NameOverlay
from mmcvgssl.apis.prediction.tables import MAPS, OVERLAYS, table_parts
from mmcvgssl.datasets import contents as why
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.files import MARK
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.locks import locked
from mmcvgssl.maps.writer import (
    MapWriter,
    join_manifests,
    paths_without_map,
    require_own_maps,
    settle_maps,
    write_remarks,
)
from mmcvgssl.predictions import row_of
from mmcvgssl.progress import progress_bar
from mmcvgssl.provenance import (
    RECORD,
    FileState,
    FileTable,
    Provenance,
)
from mmcvgssl.utils import atomic_write, printable, with_suffix_added


class Predicts(Protocol):
    """What predicts images: a model file by PyTorch, or an exported file."""

    kind: PredictionKind
    path: Path

    @property
    def reading(self) -> dict[str, Any]:
        """How images are read, for :func:`read_image`, in full size."""

    @property
    def remarks(self) -> list[str]:
        """Warnings about the images that were learned from."""

    def batches(
        self,
        images: Iterable[Source],
        overlay: NameOverlay | None = None,
        full_overlay: bool = False,
        known: Mapping[str, FileState] | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
    ) -> Generator[list[Prediction], None, None]:
        """Predict images in order, batch by batch."""

    def made_by(self) -> Provenance:
        """Return what predictions depend on beside images and options."""

    def describe(self) -> dict[str, Any]:
        """Return which file it is, as JSON can hold it."""


@dataclass(frozen=True)
class Outputs:
    """What is written beside the tables.

    Args:
        overlays: Pictures with what was found.
        full_overlays: Draw overlays in full size, for which a JPEG that the
            model reads at a smaller one is decoded once more.
        maps: A folder of maps, as mmcvgssl maps writes it.
    """

    overlays: bool = True
    full_overlays: bool = False
    maps: bool = False


def predict_to_folder(
    predictor: Predicts,
    path: str | Path,
    out: str | Path,
    contents: Contents | None = None,
    outputs: Outputs | None = None,
    root: str | Path | None = None,
    encoding: str = '',
) -> list[Prediction]:
    """Predict an image, a folder or a list and write what was found.

    ``predictions.csv`` and ``predictions.json`` list the predictions.
    ``overlays/`` has a picture for each image, under the image's path with
    ``.png`` added; a name that would be too long is shortened. An image that
    cannot be read, or whose overlay or map cannot be written, has the reason
    as ``error``. Predictions are appended to ``predictions.partial.jsonl``
    during the run, so that the next run continues an interrupted one.
    Predictions of other images, by another model file or with other options,
    are moved to the folder ``earlier``.

    Args:
        predictor: A :class:`~mmcvgssl.apis.Predictor`, or an
            :class:`~mmcvgssl.apis.exported_predictor.ExportedPredictor`.
        path: Image or folder, or list of images, see :func:`find_images`.
        out: Where files go.
        contents: Collects what the folder holds and what is left out.
        outputs: Files to write; by default tables and overlays.
        root: Folder that listed paths are relative to; by default the
            list's.
        encoding: Encoding of a list.

    Raises:
        FileNotFoundError: If there is no such image or folder.
        UnreadableImageError: If no image can be read; the files are written
            before.
        ValueError: If the folder holds no image, or the model has no maps,
            or two images would share one.
        ProvenanceError: If the folder holds predictions that do not say what
            they are of.
        FolderInUseError: If another run writes there.

    Example:
        >>> from mmcvgssl.apis import Predictor
        >>> predictor = Predictor('model.safetensors')
        >>> predictions = predict_to_folder(predictor, 'test_images', 'out')
        >>> len(predictions), Path('out/predictions.csv').is_file()
        (4, True)
    """
    report = contents if contents is not None else Contents(str(path))
    skip = [Path(out, OVERLAYS), Path(out, MAPS)]
    images = find_images(path, skip, report, root, encoding)
    home = images_home(path, root)
    run = _FolderRun(
        *(predictor, images, home, Path(out), report), outputs or Outputs()
    )
    with locked(out):
        predictions = run.predict()
    if not any(p.is_read for p in predictions):
        raise UnreadableImageError(
            f'none of {len(predictions)} images can be read; '
            f'{predictions[0].error}'
        )
    return predictions


class _FolderRun:
    """One run over a folder."""

    def __init__(
        self,
        predictor: Predicts,
        images: Sequence[Path],
        root: Path,
        out: Path,
        report: Contents,
        outputs: Outputs,
    ) -> None:
        self.predictor, self.kind = predictor, predictor.kind
        self.out, self.report, self.outputs = out, report, outputs
        self.maps, self.without_map = out / MAPS, set[str]()
        self.root = root
        odd = report.left_out.pop(why.ODD_NAME, [])
        report.used = {'images': len(images) + len(odd)}
        self.refused = [self._refuse_name(self.root / name) for name in odd]
        # by path relative to the folder of images
        self.images = {
            path.relative_to(self.root).as_posix(): str(path)
            for path in images
        }
        if outputs.maps:
            if not self.kind.has_maps:
                raise ValueError(
                    f'{predictor.path} is a {self.kind.notes.kind} model, '
                    'which makes no maps: leave --map out'
                )
            require_own_maps(self.images)

    def predict(self) -> list[Prediction]:
        """Predict what is not there yet; write the tables."""
        states = self._states()
        made_by = self._made_by()
        settle_predictions(
            made_by | Provenance(None, {'images': states}), self.out, OVERLAYS
        )
        if self.outputs.maps:
            self._settle_maps(made_by, list(states))
        known = find_known(self.out, self.kind.prediction, self.root, states)
        found = {k: p for k, p in known.items() if self._is_whole(k)}
        todo = [name for name in self.images if name not in found]
        found |= self._predict(todo, states)
        if self.outputs.maps:
            join_manifests(self.maps, self.images)
        predictions = [*self.refused, *(found[name] for name in self.images)]
        self._write_tables(predictions)
        (self.out / PARTIAL).unlink(missing_ok=True)
        return predictions

    def _states(self) -> FileTable:
        """Look at the images; what cannot be read is said later."""
        there = [
            name
            for name, path in self.images.items()
            if os.access(path, os.R_OK)
        ]
        earlier = Provenance.read(self.out / RECORD)
        known = None if earlier is None else earlier.files.get('images')
        return FileTable.of(self.root, there, known)

    def _made_by(self) -> Provenance:
        values = {
            'overlays': self.outputs.overlays,
            'full_overlays': self.outputs.full_overlays,
            'maps': self.outputs.maps,
            **self.kind.depends_on(),
        }
        return self.predictor.made_by() | Provenance(values)

    def _settle_maps(self, made_by: Provenance, names: list[str]) -> None:
        # values that only tables and overlays depend on
        beside = ('overlays', 'full_overlays', 'maps', *self.kind.depends_on())
        ours = made_by.without(*beside)
        self.maps.mkdir(parents=True, exist_ok=True)
        settle_maps(ours | Provenance({'dtype': 'float16'}), self.maps)
        write_remarks(self.maps, self.predictor.remarks)
        self.without_map = {*paths_without_map(self.maps, self.root, names)}

    def _is_whole(self, name: str) -> bool:
        """Whether all is there that belongs to a prediction."""
        if self.outputs.overlays and not self._overlay(name).is_file():
            return False
        return name not in self.without_map

    def _predict(
        self, names: list[str], states: FileTable
    ) -> dict[str, Prediction]:
        """Predict images; write overlays, maps and lines as they come."""
        found: dict[str, Prediction] = {}
        by_path = {self.images[name]: name for name in names}
        known = {p: states[n] for p, n in by_path.items() if n in states}
        with ExitStack() as stack:
            partial = stack.enter_context(PartialFile(self.out, self.root))
            writer = None
            if self.outputs.maps:
                writer = stack.enter_context(MapWriter(self.maps))
            overlay = None
            if self.outputs.overlays:
                atomic_write(self.out / OVERLAYS / MARK, b'')

                def overlay(path: str) -> Path:
                    return self._overlay(by_path[path])

            batches = self.predictor.batches(
                list(by_path), overlay, self.outputs.full_overlays, known
            )
            # its worker processes end with the run, also where that fails
            stack.enter_context(closing(batches))
            done = len(self.images) - len(names)
            bar = stack.enter_context(
                progress_bar(
                    total=len(self.images),
                    initial=done,
                    desc='predict',
                    unit='image',
                )
            )
            for batch in batches:
                for prediction in batch:
                    name = by_path[prediction.path]
                    self._complete(name, prediction, writer)
                    found[name] = prediction
                partial.write(batch)
                bar.update(len(batch))
        return found

    def _complete(
        self, name: str, prediction: Any, writer: MapWriter | None
    ) -> None:
        """Write the map; note what is wrong with an image that was read."""
        if not prediction.is_read:
            return
        errors = [prediction.error] if prediction.error else []
        if prediction.file is None:
            errors.append(
                f'{prediction.path} changed while it was read: type the '
                'command again'
            )
        elif writer is not None:
            reason = writer.write(
                *(name, prediction.anomaly_map, prediction.size),
                *(prediction.score, prediction.file),
            )
            if reason is not None:
                errors.append(f'no map: {reason}')
        prediction.error = '; '.join(errors) or None
        if self.kind.has_maps:
            prediction.anomaly_map = None  # a folder may be large

    def _overlay(self, name: str) -> Path:
        return self.out / OVERLAYS / with_suffix_added(name, '.png')

    def _refuse_name(self, path: Path) -> Prediction:
        shown = printable(str(path))
        return self.kind.prediction(
            shown,
            error=why.odd_name_error(path),
        )

    def _write_tables(self, predictions: list[Prediction]) -> None:
        tables = table_parts(
            self.kind,
            lambda: map(row_of, predictions),
            model=self.predictor.describe(),
            overlays=OVERLAYS if self.outputs.overlays else None,
            maps=MAPS if self.outputs.maps else None,
            root=str(self.root),
            contents=self.report,
        )
        for name, data in tables.items():
            atomic_write(self.out / name, data)
