"""Predicting by exported models: without torch, and without the hosts.

Needs NumPy, OpenCV, Pillow, tifffile and what runs the file: onnxruntime or
openvino.

    python -m mmcvgssl.export.runtime model.onnx images --out predictions
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mmcvgssl.datasets.contents import ODD_NAME, Contents, odd_name_error
from mmcvgssl.datasets.image_folders import images_below
from mmcvgssl.datasets.reading import UnreadableImageError, read_settled
from mmcvgssl.export.engines import Engine, open_engine
from mmcvgssl.export.metadata import ExportedFileError, Metadata
from mmcvgssl.export.preparation import differences, prepare
from mmcvgssl.predictions import (
    JSON_TABLE,
    TABLE,
    AnomalyPrediction,
    ClassPrediction,
    Prediction,
    csv_table,
    json_table,
)
from mmcvgssl.utils import atomic_write, printable

_GIVEN = {'method': 'given'}
# a prediction of a path and the outputs of one image
Describe = Callable[[str, Mapping[str, np.ndarray]], Prediction]


class ExportedModel:
    """An exported model that predicts image files.

    Args:
        model: A file of ``tools/export_graph.py``, or a loaded engine.
        threshold: Threshold of image scores that replaces the file's.
        batch_size: Images that pass the model at once.
        threads: Threads that compute; 0: as the library chooses.

    Raises:
        FileNotFoundError: If there is no such file.
        ExportedFileError: If it is something else, of another version, or
            its bytes have changed.
        ModuleNotFoundError: If what runs it is not installed.
        ValueError: If the threshold is none, or the model has none.

    Example:
        >>> from mmcvgssl.export.runtime import ExportedModel
        >>> try:
        ...     ExportedModel('model.safetensors')
        ... except ExportedFileError as error:
        ...     print(str(error).partition(',')[0])
        expected an exported model
    """

    def __init__(
        self,
        model: str | Path | Engine,
        threshold: float | None = None,
        batch_size: int = 8,
        threads: int = 0,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f'batch_size is 1 or more, got {batch_size}')
        self.engine: Engine
        if isinstance(model, (str, Path)):
            self.source = printable(str(model))
            self.engine = open_engine(model, threads)
        else:
            self.source, self.engine = 'the exported model', model
        self.metadata: Metadata = self.engine.metadata
        self.batch_size = batch_size
        kinds: Mapping[str, tuple[type[Any], Describe]] = {
            'anomaly': (AnomalyPrediction, self._anomaly),
            'classifier': (ClassPrediction, self._classes),
        }
        if self.metadata.kind not in kinds:
            raise ExportedFileError(
                f'{self.source} is of kind {self.metadata.kind!r:.40}, and '
                f'this mmcvgssl predicts by {" and ".join(kinds)}; install '
                'the version that wrote it'
            )
        self.prediction, self._describe = kinds[self.metadata.kind]
        self.threshold, self.chosen = (
            self.metadata.threshold,
            self.metadata.chosen,
        )
        if threshold is not None:
            self.prediction.check_threshold(threshold)
            self.threshold, self.chosen = threshold, dict(_GIVEN)
        self.warning = differences(self.metadata)

    def __call__(self, paths: Sequence[str | Path]) -> Iterator[Prediction]:
        """Predict images in order; what cannot be read has an ``error``."""
        for first in range(0, len(paths), self.batch_size):
            part = [str(p) for p in paths[first : first + self.batch_size]]
            yield from self._batch(part)

    def read(self, path: str) -> tuple[np.ndarray, tuple[int, int]]:
        """Read an image as the model takes it.

        Args:
            path: The file.

        Returns:
            RGB uint8 [height, width, 3], and height and width of the file.

        Raises:
            UnreadableImageError: If it cannot be decoded in full.
        """
        picture, size = read_settled(path, **self.metadata.reading)
        return prepare(picture, self.metadata.steps), size

    def run(self, images: np.ndarray) -> Mapping[str, np.ndarray]:
        """Return the outputs by name, see the metadata.

        Args:
            images: RGB uint8 [N, height, width, 3].

        Raises:
            ValueError: If they are of another form.
        """
        size = self.metadata.input['height'], self.metadata.input['width']
        form = images.dtype == np.uint8 and images.ndim == 4
        if not form or images.shape[1:] != (*size, 3) or not len(images):
            raise ValueError(
                f'expected images RGB uint8 [N, {size[0]}, {size[1]}, 3], '
                f'got {images.dtype} {list(images.shape)}: see steps of the '
                'metadata'
            )
        return self.engine.run(images)

    def head(self) -> dict[str, Any]:
        """Return what holds for all images, for ``predictions.json``."""
        notes = self.metadata
        if notes.kind == 'classifier':
            return {'classes': notes.classes, 'chosen': notes.chosen}
        return {
            'category': notes.category,
            'threshold': self.threshold,
            'chosen': self.chosen,
            'map_threshold': notes.map_threshold,
        }

    def summary(self, predictions: Sequence[Prediction]) -> str:
        """Count what was found."""
        if self.metadata.kind == 'classifier':
            return ClassPrediction.summary(predictions, self.metadata.classes)
        return AnomalyPrediction.summary(predictions, self.threshold)

    def _batch(self, paths: Sequence[str]) -> Iterator[Prediction]:
        images, sizes, errors = [], {}, {}
        for path in paths:
            try:
                image, sizes[path] = self.read(path)
                images.append(image)
            except UnreadableImageError as error:
                errors[path] = str(error)
        outputs = self.run(np.stack(images)) if images else {}
        row = 0
        for path in paths:
            if path in errors:
                yield self.prediction(path, error=errors[path])
                continue
            own = {name: values[row] for name, values in outputs.items()}
            made = self._describe(path, own)
            made.size = sizes[path]
            row += 1
            yield made

    def _anomaly(
        self, path: str, outputs: Mapping[str, np.ndarray]
    ) -> Prediction:
        return AnomalyPrediction.of(
            *(path, float(outputs['scores']), self.threshold),
            outputs['maps'],
        )

    def _classes(
        self, path: str, outputs: Mapping[str, np.ndarray]
    ) -> Prediction:
        return ClassPrediction.of(
            path,
            outputs['probabilities'].tolist(),
            int(outputs['labels']),
            self.metadata.classes,
        )


def predict_to_folder(
    model: ExportedModel, path: str | Path, out: str | Path
) -> list[Prediction]:
    """Predict an image or a folder, and write the tables.

    ``predictions.csv`` and ``predictions.json`` have the columns that
    ``tools/predict.py`` writes for the model file.

    Args:
        model: The model.
        path: Image or folder.
        out: Folder of the tables.

    Raises:
        FileNotFoundError: If there is no such image or folder.
        ValueError: If the folder holds no image.
        UnreadableImageError: If no image can be read; the tables are written
            before.
    """
    path, contents = Path(path), Contents(str(path))
    images, refused = [path], []
    if path.is_dir():
        names = images_below(path, [Path(out)], contents=contents)
        images = [path / name for name in names]
        odd = contents.left_out.pop(ODD_NAME, [])
        refused = [_refuse_name(model, path / name) for name in odd]
        if not images and not refused:
            raise ValueError(f'{path}: no images; {contents.left_out_text()}')
    elif not path.is_file():
        raise FileNotFoundError(
            f'expected an image or a folder of images, found no {path}'
        )
    found = list(refused)
    for prediction in model(images):
        if isinstance(prediction, AnomalyPrediction):
            prediction.anomaly_map = None  # a folder may be large
        found.append(prediction)
    contents.used = {'images': len(found)}
    columns = model.prediction.FIELDS
    atomic_write(Path(out, TABLE), csv_table(columns, found))
    notes = model.metadata
    head = {
        'model': {
            'file': Path(model.source).name,
            'kind': notes.kind,
            **notes.model,
            'precision': notes.precision,
            'made_with': notes.made_with.get('mmcvgssl'),
            'remarks': notes.remarks,
            'warning': model.warning,
        },
        **model.head(),
        'root': str(path if path.is_dir() else path.parent),
        'contents': contents.as_dict(),
    }
    atomic_write(Path(out, JSON_TABLE), json_table(head, found))
    if not any(p.is_read for p in found):
        raise UnreadableImageError(
            f'none of {len(found)} images can be read; {found[0].error}'
        )
    return found


def _refuse_name(model: ExportedModel, path: Path) -> Prediction:
    shown = printable(str(path))
    return model.prediction(shown, error=odd_name_error(path))


def main(arguments: Sequence[str] | None = None) -> None:
    """Predict by the command line."""
    parser = argparse.ArgumentParser(
        prog='python -m mmcvgssl.export.runtime',
        description='Predict images by an exported model.',
    )
    parser.add_argument('model', help='NAME.onnx, or NAME.xml')
    parser.add_argument('images', help='an image, or a folder of images')
    parser.add_argument(
        '--out', required=True, help='folder of the tables of predictions'
    )
    parser.add_argument(
        '--threshold',
        type=float,
        metavar='VALUE',
        help="instead of the file's: score above which an image is called "
        'defective',
    )
    parser.add_argument('--batch-size', type=int, default=8)
    args = parser.parse_args(arguments)
    logging.basicConfig(format='%(message)s')
    try:
        model = ExportedModel(args.model, args.threshold, args.batch_size)
        if model.warning:
            print(f'warning: {model.warning}', file=sys.stderr)
        found = predict_to_folder(model, args.images, args.out)
    except (OSError, ValueError, ModuleNotFoundError) as error:
        raise SystemExit(f'error: {error}') from None
    for prediction in found:
        if prediction.is_read:
            print(f'{prediction.line()}  {printable(prediction.path)}')
        else:
            print(
                f'not read: {printable(str(prediction.error))}',
                file=sys.stderr,
            )
    print(
        f'{len(found)} images: {model.summary(found)}; written to {args.out}'
    )


if __name__ == '__main__':
    main()
