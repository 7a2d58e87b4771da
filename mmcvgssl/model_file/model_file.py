"""The model file: one format for all models that predict.

A safetensors file. Its metadata is JSON, one text for each field of
:class:`ModelFile` besides the tensors; ``docs/model_file.md`` describes it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from mmcvgssl.models.anomaly.fitted_state import read_notes, read_tensors
from mmcvgssl.models.anomaly.storable import BASIS
from mmcvgssl.provenance import make_room
from mmcvgssl.utils import atomic_write, check_file, printable
from mmcvgssl.version import __version__
from mmcvgssl.weights import check_values
from mmcvgssl.weights.errors import WeightsError
from mmcvgssl.weights.files import safetensors_bytes

FORMAT = 'mmcvgssl-model'
# files without what an update goes on from are of the first version still
VERSIONS = (1, 2)
KINDS = ('anomaly', 'classifier', 'detector')
SUFFIX = '.safetensors'


class ModelFileError(WeightsError):
    """A file that is no model file, or one that this version cannot use.

    Example:
        >>> size = Path('other.safetensors').write_bytes(b'no model')
        >>> try:
        ...     ModelFile.read('other.safetensors')
        ... except ModelFileError as error:
        ...     print(str(error).partition(',')[0])
        other.safetensors is no model file
    """


@dataclass(frozen=True)
class WeightsOf:
    """Source of the weights of frozen networks.

    Args:
        parts: Dotted keys of the model's config that have these weights.
        digest: Digest of the tensors, see :func:`digest_tensors`.
        source: ``'package:NAME'`` of an installed Python package, or what
            they were read from, for people.
        stored: Whether the file itself has them.

    Example:
        >>> weights = ModelFile.read('model.safetensors').weights
        >>> [(part.parts, part.stored) for part in weights]
        [(['backbone'], True)]
    """

    parts: list[str]
    digest: str
    source: str
    stored: bool


@dataclass
class ModelFile:
    """Content of a model file.

    Args:
        kind: ``'anomaly'``, ``'classifier'`` or ``'detector'``.
        model: Config of the model, by registered names.
        images: ``pipeline``, the transforms from a path to the input.
        tensors: Tensors by name; weights as ``weights.N.KEY``, where N counts
            in ``weights``.
        weights: Weights of the parts that were not learned here.
        category: Category of the images, if known.
        classes: Names, by index.
        settings: Settings that the fitted state belongs to (anomaly).
        chosen: How the threshold was chosen (anomaly).
        remarks: Warnings about the images that were learned from.
        provenance: Provenance of the model, by name.
        licences: Licence notes, one text each.
        made_with: Version of this package.

    Example:
        >>> content = ModelFile.read('model.safetensors')
        >>> content.kind, content.model['type']
        ('anomaly', 'mmcvgssl.OneClassDetector')
    """

    kind: str
    model: dict[str, Any]
    images: dict[str, Any]
    tensors: dict[str, Tensor] = field(repr=False)
    weights: list[WeightsOf] = field(default_factory=list)
    category: str = ''
    classes: list[str] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    chosen: dict[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)
    provenance: dict[str, Any] | None = None
    licences: list[str] = field(default_factory=list)
    made_with: str = __version__

    def to_bytes(self) -> bytes:
        """Return the file's bytes: equal contents, equal bytes."""
        goes_on = any(key.startswith(f'{BASIS}.') for key in self.tensors)
        version = VERSIONS[goes_on]
        notes = {'format': FORMAT, 'version': version, **asdict_bare(self)}
        texts = {k: json.dumps(v, sort_keys=True) for k, v in notes.items()}
        return safetensors_bytes(self.tensors, texts)

    def write(self, path: str | Path) -> None:
        """Write the file, whole or not at all.

        Another file that has the name already goes to ``earlier``.

        Raises:
            OSError: If it cannot be written.
            ValueError: If the name does not end in ``.safetensors``.
        """
        check_name(path)
        path, data = Path(path), self.to_bytes()
        make_room(path.parent, {path.name: data}, f'the model in {path}')
        atomic_write(path, data)

    @classmethod
    def read(cls, path: str | Path) -> ModelFile:
        """Read a file; nothing in it is built or run.

        Raises:
            FileNotFoundError: If the file is missing.
            ModelFileError: If it is something else, cut off, damaged, or of
                another version of the format.
            mmcvgssl.weights.WeightsError: If it has NaN or infinity.
        """
        path = Path(path)
        shown = printable(str(path))
        if not path.is_file():
            raise FileNotFoundError(f'no model file {shown}')
        return cls.from_bytes(path.read_bytes(), shown)

    @classmethod
    def from_bytes(cls, data: bytes, source: str) -> ModelFile:
        """Read what :meth:`to_bytes` gave; see :meth:`read`.

        Args:
            data: The bytes.
            source: The file, for messages.
        """
        notes = _notes(data, source)
        kinds = {
            **dict.fromkeys(('model', 'images', 'settings', 'chosen'), dict),
            **dict.fromkeys(
                ('weights', 'classes', 'remarks', 'licences'), list
            ),
            **dict.fromkeys(('kind', 'category', 'made_with'), str),
            'provenance': (dict, type(None)),
        }
        for key, kind in kinds.items():
            if not isinstance(notes.get(key), kind):  # type: ignore[arg-type]
                raise ModelFileError(
                    f'{source}: `{key}` is missing or damaged '
                    f'({notes.get(key)!r:.60}); fit or export the model anew'
                )
        for key in ('classes', 'remarks', 'licences'):
            if not all(isinstance(text, str) for text in notes[key]):
                raise ModelFileError(
                    f'{source}: expected texts in `{key}`; fit or export the '
                    'model anew'
                )
        if notes['kind'] not in KINDS:
            raise ModelFileError(
                f'{source}: expected a model of kind {", ".join(KINDS)}, got '
                f'{notes["kind"]!r:.60}'
            )
        try:
            tensors = read_tensors(data)
            weights = [_weights_of(item) for item in notes['weights']]
        except (TypeError, ValueError) as error:
            raise ModelFileError(
                f'{source} is cut off or damaged ({error!r:.200}); copy it '
                'again, or fit the model anew'
            ) from error
        check_values(tensors, source)
        fields: dict[str, Any] = {
            key: notes.get(key) for key in kinds if key != 'weights'
        }
        return cls(tensors=tensors, weights=weights, **fields)

    def describe(self) -> str:
        """Return a summary of the file for people."""
        kind = str(self.model.get('type', '')).rpartition('.')[2]
        lines = [f'{self.kind} model {kind}, by mmcvgssl {self.made_with}']
        if self.category:
            lines.append(f'category {self.category}')
        if self.classes:
            lines.append(
                f'{len(self.classes)} classes: ' + ', '.join(self.classes)
            )
        point = self.tensors.get('state.operating_point')
        if point is not None and point.numel():
            rate = self.chosen.get('expected_false_alarm_rate')
            expected = _percent(rate, 100)
            lines.append(
                f'threshold {float(point[0]):.6g}, '
                f'{self.chosen.get("method", "given")} on '
                f'{self.chosen.get("good_images", "?")} good images, false '
                f'alarms to expect: {expected}'
            )
        if 'test_accuracy' in self.chosen:
            lines.append(
                f'learned from {self.chosen.get("images", "?")} images; '
                f'accuracy on {self.chosen.get("test_images", "?")} test '
                f'images: {_percent(self.chosen["test_accuracy"])}'
            )
        if 'score_threshold' in self.settings:
            lines.append(
                f'boxes of a score of {self.settings["score_threshold"]} or '
                'more are shown'
            )
        for part in self.weights:
            where = 'in this file' if part.stored else 'needed beside it'
            lines.append(f'weights of {part.source}: {where}')
        lines += [f'licence: {text}' for text in self.licences]
        lines += [f'note: {text}' for text in self.remarks]
        return '\n'.join(lines)


def _percent(value: Any, factor: int = 1) -> str:
    known = isinstance(value, (int, float)) and not isinstance(value, bool)
    return f'{factor * value:.1f} %' if known else 'unknown'


def asdict_bare(content: ModelFile) -> dict[str, Any]:
    """Return all fields but the tensors, as values of JSON."""
    fields = {
        key: value
        for key, value in vars(content).items()
        if key not in ('tensors', 'weights')
    }
    return {**fields, 'weights': [asdict(part) for part in content.weights]}


def check_name(path: str | Path) -> None:
    """Check that a path can be that of a model file.

    Raises:
        OSError: If the file could not be written.
        ValueError: If it does not end in ``.safetensors``.

    Example:
        >>> check_name('model.safetensors')
        >>> try:
        ...     check_name('model.pth')
        ... except ValueError as error:
        ...     print(str(error).partition(',')[0])
        expected a file name that ends in .safetensors
    """
    if Path(path).suffix != SUFFIX:
        raise ValueError(
            f'expected a file name that ends in {SUFFIX}, got {str(path)!r}'
        )
    check_file(path, 'the model file')


def is_model_file(path: str | Path) -> bool:
    """Whether a path has the suffix of a model file.

    Example:
        >>> is_model_file('model.safetensors'), is_model_file('anomaly.py')
        (True, False)
    """
    return Path(path).suffix == SUFFIX


def _notes(data: bytes, source: str) -> dict[str, Any]:
    """Return the metadata; it must be of this format and version."""
    try:
        notes = read_notes(data)
    except ValueError as error:
        raise ModelFileError(
            f'{source} is no model file, or is cut off ({error!r:.200}); '
            'expected what mmcvgssl fit or mmcvgssl one-class writes'
        ) from error
    if notes.get('format') != FORMAT:
        learned = notes.get('settings')
        what = 'a file of other tensors'
        if isinstance(learned, dict) and 'model' in learned:
            what = (
                f'what a {learned["model"]!s:.40} has learned, without the '
                'model'
            )
        raise ModelFileError(
            f'{source} is {what}, no model file; pass what mmcvgssl fit, '
            'mmcvgssl one-class, mmcvgssl few-shot or '
            'mmcvgssl export-model writes'
        )
    if notes.get('version') not in VERSIONS:
        known = ' and '.join(map(str, VERSIONS))
        raise ModelFileError(
            f'{source} is of version {notes.get("version")!r:.20} of the '
            f'format, and mmcvgssl {__version__} reads versions {known}; '
            'install the version that wrote it '
            f'({notes.get("made_with")!r:.40}), or fit the model anew'
        )
    return notes


def _weights_of(item: Any) -> WeightsOf:
    part = WeightsOf(**item)
    if not (
        isinstance(part.parts, list)
        and all(isinstance(p, str) for p in part.parts)
        and isinstance(part.digest, str)
        and isinstance(part.source, str)
        and isinstance(part.stored, bool)
    ):
        raise TypeError(f'weights of {item!r:.80}')
    return part
