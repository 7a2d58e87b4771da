"""Labels that are joined, and the images that boxes are found in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmcvgssl.datasets.coco_check import AnnotationError, check_coco
from mmcvgssl.datasets.coco_file import PSEUDO
from mmcvgssl.datasets.copies import copies_of
from mmcvgssl.maps.images import images_below_root
from mmcvgssl.maps.writer import relative_path
from mmcvgssl.utils import printable, some


@dataclass(frozen=True)
class Labels:
    """True boxes of a COCO file.

    Args:
        file: The file.
        content: Its content; ``file_name`` is spelled in one way.
    """

    file: Path
    content: Mapping[str, Any]

    @property
    def classes(self) -> list[str]:
        """Names of the categories, in the file's order."""
        return [c['name'] for c in self.content['categories']]

    @property
    def paths(self) -> list[str]:
        """Paths of the images, relative to the folder of images."""
        return [image['file_name'] for image in self.content['images']]


def read_labels(file: str | Path, root: Path, testing: bool = False) -> Labels:
    """Read true boxes, and check them.

    Args:
        file: The COCO file.
        root: Folder that ``file_name`` is relative to.
        testing: Whether images without boxes alone will do.

    Raises:
        FileNotFoundError: If the file is missing.
        AnnotationError: If something is wrong with it, or boxes are those of
            a detector.
    """
    check = check_coco(file, root, look='names', testing=testing)
    check.raise_problems()
    content = dict(check.content)
    own = sum(bool(box.get(PSEUDO)) for box in content['annotations'])
    if own:
        raise AnnotationError(
            f'{file}: expected true labels, got {own} boxes that a detector '
            f'has found ({PSEUDO}: true): give the file that they were joined '
            'to'
        )
    content['images'] = [
        {**image, 'file_name': _inner(root, image['file_name'])}
        for image in content['images']
    ]
    return Labels(Path(file), content)


@dataclass(frozen=True)
class Unlabelled:
    """Images to find boxes in.

    Args:
        root: Folder of the images.
        paths: Relative to it.
        labelled: Number of images left out, since they have labels.
        tested: Number of those left out, since they are tested on.
        copies: Images that have the content of one of these.
    """

    root: Path
    paths: Sequence[str]
    labelled: int
    tested: int
    copies: Sequence[str]


def find_unlabelled(
    images: str | Path,
    root: str | Path | None,
    encoding: str,
    labelled: Collection[str],
    tested: Collection[str],
) -> Unlabelled:
    """Find the images that have no labels, and are not tested on.

    Args:
        images: Folder of images, or a list with a path a line.
        root: Folder that all paths are relative to.
        encoding: Encoding of the list.
        labelled: Paths of images with labels.
        tested: Paths of images that are tested on.

    Raises:
        FileNotFoundError: If images are missing.
        ValueError: If none is left.
    """
    home, paths = images_below_root(images, root, encoding)
    known = {*labelled, *tested}
    left = [path for path in paths if path not in known]
    copies = copies_of(home, sorted(known), left)
    left = [path for path in left if path not in {*copies}]
    if not left:
        raise ValueError(
            f'{images}: expected images without labels that are not tested '
            f'on, got {some(map(printable, paths), "image")}, all with '
            'labels, tested on, or copies of these: give others'
        )
    return Unlabelled(
        home,
        left,
        len({*paths} & {*labelled}),
        len({*paths} & {*tested} - {*labelled}),
        copies,
    )


def _inner(root: Path, path: str) -> str:
    return relative_path(str(root / path), str(root))
