"""The tables that predictions are written to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from mmcvgssl.apis.prediction.prediction_kind import PredictionKind
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.predictions import (
    JSON_TABLE,
    TABLE,
    Prediction,
    csv_parts,
    json_parts,
    row_of,
)

OVERLAYS, MAPS = 'overlays', 'maps'  # folders
TRUTH = 'truth'  # column of what is true of an image
Rows = Callable[[], Iterable[Mapping[str, Any]]]


def table_parts(
    kind: PredictionKind,
    rows: Rows,
    *,
    model: Mapping[str, Any],
    overlays: str | None = OVERLAYS,
    maps: str | None = None,
    root: str = '',
    contents: Contents | None = None,
    more: Mapping[str, Any] | None = None,
    truth: bool = False,
) -> dict[str, Iterator[bytes]]:
    """Return the tables of predictions, in parts, by the names of their files.

    Args:
        kind: What has predicted.
        rows: Returns the rows of all images, in their order, at each call.
        model: Which model it was, see :meth:`Predicts.describe`.
        overlays: Folder of the overlays, if there are some.
        maps: Folder of the maps, if there are some.
        root: Folder that the images were in.
        contents: What that folder holds and what is left out.
        more: What else holds for all images.
        truth: Whether rows have a ``truth`` with a ``name``, or None.
    """
    report = contents if contents is not None else Contents(root)
    values = {
        'model': model,
        **kind.head(),
        **(more or {}),
        **{'overlays': overlays, 'maps': maps, 'root': root},
        'contents': report.as_dict(),
    }
    columns, listed = kind.prediction.FIELDS, rows()
    if truth:
        columns, listed = (*columns, TRUTH), map(_with_name, rows())
    return {
        TABLE: csv_parts(columns, listed),
        **kind.files(rows()),
        # written last: if it is there, all are
        JSON_TABLE: json_parts(values, rows()),
    }


def table_files(
    kind: PredictionKind,
    predictions: Sequence[Prediction],
    *,
    model: Mapping[str, Any],
) -> dict[str, bytes]:
    """Return the tables of a few predictions, see :func:`table_parts`."""
    parts = table_parts(kind, lambda: map(row_of, predictions), model=model)
    return {name: b''.join(own) for name, own in parts.items()}


def _with_name(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the CSV table, of whose truth the name is shown."""
    return {**row, TRUTH: (row.get(TRUTH) or {}).get('name')}
