"""Files of what was found, to download."""

from __future__ import annotations

import csv
import io
import zipfile
from pathlib import Path

import cv2

from mmcvgssl.apis.prediction.tables import OVERLAYS, table_files
from mmcvgssl.predictions import csv_table
from mmcvgssl.serving.pictures import drawn_image
from mmcvgssl.serving.session import Session
from mmcvgssl.utils import with_suffix_added

LABELS = 'labels.csv'


def table(session: Session) -> bytes:
    """Return ``predictions.csv``, as mmcvgssl predict writes it."""
    kind = session.kind
    return csv_table(kind.prediction.FIELDS, session.predictions())


def write_results(session: Session, file: Path) -> None:
    """Write a ZIP with the files of mmcvgssl predict: tables and overlays.

    Args:
        session: Whose images they are.
        file: New file.

    Raises:
        OSError: If it cannot be written.
    """
    model = session.served.describe()
    if session.labelling is not None:
        model['labels'] = len(session.labelling.labels)
    tables = table_files(session.kind, session.predictions(), model=model)
    if session.labelling is not None:
        tables[LABELS] = _labels(session)
    with zipfile.ZipFile(file, 'x') as archive:
        for name, data in tables.items():
            archive.writestr(name, data)
        for image in session.images:
            made = image.prediction
            if made is None or not made.is_read:
                continue
            session.touch()
            name = with_suffix_added(image.name, '.png')
            drawn = session.overlay_of(image)
            if drawn.is_file():
                archive.write(drawn, f'{OVERLAYS}/{name}')
                continue
            encoded = cv2.imencode('.png', drawn_image(session, image))[1]
            archive.writestr(f'{OVERLAYS}/{name}', encoded.tobytes())


def _labels(session: Session) -> bytes:
    """Return the labels that the visitor has given."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(('path', 'label'))
    for image in session.images:
        label = session.label_of(image)
        if label is not None:
            writer.writerow((image.name, label))
    return text.getvalue().encode()
