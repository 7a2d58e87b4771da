"""What an exported file says of itself, and the seal against changed bytes.

Needs neither torch nor a host. ``docs/export.md`` describes the fields.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

FORMAT, VERSION = 'mmcvgssl-export', 2
KEY, SEAL = 'mmcvgssl', 'mmcvgssl-sha256'  # names in an exported file
EMPTY_SEAL = '0' * 64
_SEALED = re.compile(SEAL.encode() + rb'.{1,16}?([0-9a-f]{64})', re.DOTALL)


class ExportedFileError(ValueError):
    """A file that is no exported model, or that the runtime cannot use."""


@dataclass
class Metadata:
    """What an exported file says of itself.

    Args:
        kind: ``'anomaly'``, ``'classifier'`` or ``'detector'``.
        precision: ``'float32'``, ``'float16'`` or ``'int8'``.
        input: ``height`` and ``width`` in pixels of ``images``, RGB uint8
            [N, height, width, 3].
        reading: Options of :func:`mmcvgssl.datasets.reading.read_settled`.
        steps: Steps from the picture to the input, as
            :func:`mmcvgssl.export.preparation.prepare` does them.
        outputs: Meaning of each output, by its name.
        model: ``type`` of the model and digest of its model file.
        classes: Names of classes, by index.
        category: Category of the images; empty if unknown.
        threshold: Score above which an image is called defective, or from
            which on a box counts; None: there is none.
        map_threshold: Value that maps of good images hardly exceed.
        chosen: How the threshold was chosen.
        boxes: How raw boxes of a detector become those of an image, see
            :class:`mmcvgssl.export.dense_boxes.BoxRules`.
        geometry: Where values of the outputs lie in the image.
        remarks: Warnings about the images that were learned from.
        licences: Licence notes.
        checked: What the comparison with PyTorch has found.
        vectors: Pictures by their formula, and what the steps make of them.
        made_with: Versions of the packages that wrote the file.
        format: Always ``'mmcvgssl-export'``.
        version: Of the format.
    """

    kind: str
    precision: str
    input: dict[str, int]
    reading: dict[str, Any]
    steps: list[dict[str, Any]]
    outputs: dict[str, str]
    model: dict[str, Any]
    classes: list[str] = field(default_factory=list)
    category: str = ''
    threshold: float | None = None
    map_threshold: float | None = None
    chosen: dict[str, Any] = field(default_factory=dict)
    boxes: dict[str, Any] = field(default_factory=dict)
    geometry: str = ''
    remarks: list[str] = field(default_factory=list)
    licences: list[str] = field(default_factory=list)
    checked: dict[str, Any] = field(default_factory=dict)
    vectors: list[dict[str, Any]] = field(default_factory=list)
    made_with: dict[str, str] = field(default_factory=dict)
    format: str = FORMAT
    version: int = VERSION

    def to_json(self) -> str:
        """Return the fields as ASCII JSON on one line."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | None, source: str) -> Metadata:
        """Read what :meth:`to_json` gave.

        Args:
            text: The text; None: the file has none.
            source: The file, for messages.

        Raises:
            ExportedFileError: If it is something else, or of another version.
        """
        try:
            values = json.loads(text) if text is not None else None
        except ValueError:
            values = None
        if not isinstance(values, Mapping) or values.get('format') != FORMAT:
            raise ExportedFileError(
                f'{source} does not say how images are read and what its '
                'outputs mean; expected a file of mmcvgssl export'
            )
        if values.get('version') != VERSION:
            raise ExportedFileError(
                f'{source} is of version {values.get("version")!r:.20} of '
                f'exported files, and this mmcvgssl reads version {VERSION}; '
                'export the model anew, or install the version that wrote it '
                f'({values.get("made_with")!r:.80})'
            )
        names = {item.name for item in fields(cls)}
        if values.keys() != names:
            odd = ', '.join(sorted(names ^ values.keys()))
            raise ExportedFileError(
                f'{source}: its metadata differs from the format in {odd}; '
                'export the model anew'
            )
        return cls(**values)


def seal(data: bytes) -> bytes:
    """Fill in the digest of a file that has an empty one.

    The digest is that of the whole file with :data:`EMPTY_SEAL` as digest.

    Args:
        data: A file that names :data:`SEAL` with :data:`EMPTY_SEAL`.
    """
    start, end = _find(data)
    digest = hashlib.sha256(data).hexdigest().encode()
    return data[:start] + digest + data[end:]


def check_seal(data: bytes, source: str) -> None:
    """Check that no byte has changed since :func:`seal`.

    Args:
        data: Content of the file.
        source: The file, for messages.

    Raises:
        ExportedFileError: If one has, or there is no digest.
    """
    try:
        start, end = _find(data)
    except ValueError:
        raise ExportedFileError(
            f'{source} has no digest of mmcvgssl export; expected a '
            'file that it wrote'
        ) from None
    blank = data[:start] + EMPTY_SEAL.encode() + data[end:]
    if hashlib.sha256(blank).hexdigest().encode() != data[start:end]:
        raise ExportedFileError(
            f'{source}: its bytes are not those that were exported; copy '
            'the file again, or export the model anew'
        )


def _find(data: bytes) -> tuple[int, int]:
    found = _SEALED.search(data)
    if found is None:
        raise ValueError('there is no seal')
    return found.span(1)
