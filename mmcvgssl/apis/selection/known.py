"""Images that are labelled already."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from mmcvgssl.datasets.text_lists import read_listed
from mmcvgssl.maps.writer import relative_path
from mmcvgssl.utils import printable, some


@dataclass(frozen=True)
class Known:
    """Images that are labelled.

    Args:
        paths: Relative to the folder of images, with /, each once.
        labels: Class index by path; empty if the list names none.
    """

    paths: list[str] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)


def read_known(
    file: str | Path | None, root: Path, encoding: str = ''
) -> Known:
    """Read a list of labelled images.

    Args:
        file: One path a line, relative to the folder of the images, all with
            a class index after a space or tab, or none; None: no image is
            labelled.
        root: Folder of the images.
        encoding: Encoding of the list.

    Raises:
        FileNotFoundError: If the list, or an image of it, is missing.
        ValueError: If some lines have a class index and others do not, or an
            image stands there twice with two of them.
    """
    if file is None:
        return Known()
    if not Path(file).is_file():
        raise FileNotFoundError(
            f'expected a list of labelled images, one path a line, found no '
            f'file {file}'
        )
    found: dict[str, int | None] = {}
    for listed, label in read_listed(file, root, encoding):
        path = relative_path(str(root / listed), str(root))
        if found.setdefault(path, label) != label:
            raise ValueError(
                f'{file}: expected one class an image, got {found[path]} and '
                f'{label} for {printable(path)}: leave one line out'
            )
    missing = [
        path
        for path in found
        if path.startswith('../') or not (root / path).is_file()
    ]
    if missing:
        raise FileNotFoundError(
            f'{file}: {some(map(printable, missing), "image")} of '
            f'{len(found)} not found in {root}: list labelled images relative '
            'to the folder of the images, or leave these out; either all '
            'lines have a class index behind the path or none'
        )
    labels = {p: label for p, label in found.items() if label is not None}
    return Known(list(found), labels)
