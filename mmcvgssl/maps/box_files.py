"""Files of boxes: COCO and YOLO, whole or not at all."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from mmengine.logging import print_log

from mmcvgssl.datasets.coco_boxes import plain_box
from mmcvgssl.datasets.coco_file import AnnotationError, read_coco, shown
from mmcvgssl.utils import atomic_write, printable, some

CLASS = 'anomaly'


@dataclass(frozen=True)
class ImageBoxes:
    """Boxes of an image.

    Args:
        path: Relative to the folder of images, with /.
        size: Height and width, pixels.
        boxes: (x1, y1, x2, y2) in pixels, half-open, [n, 4].
        scores: [n].
    """

    path: str
    size: tuple[int, int]
    boxes: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class GroundTruth:
    """True boxes.

    Args:
        classes: Their names.
        images: Boxes (x1, y1, x2, y2) [m, 4] and class indices [m] by path,
            of the images whose boxes are known.
        left_out: Class indices of labels that are no boxes, by path.
    """

    classes: tuple[str, ...]
    images: dict[str, tuple[np.ndarray, np.ndarray]]
    left_out: dict[str, list[int]]

    @property
    def unboxed(self) -> list[str]:
        """Paths of images that have labels, and none of them a box."""
        return [path for path in self.left_out if path not in self.images]


class Outputs:
    """Writes files whole, and remembers them for when the disk is full."""

    def __init__(self) -> None:
        self.written: list[str] = []

    def write(self, path: Path, data: bytes) -> None:
        """Write a file.

        Raises:
            OSError: With the same ``errno``; the message says what was
                written.
        """
        try:
            atomic_write(path, data)
        except OSError as error:
            raise self.explain(path, error) from error
        self.written.append(str(path))

    def write_folder(self, folder: Path, files: dict[str, bytes]) -> None:
        """Write a new folder with all of its files, or none.

        Raises:
            OSError: With the same ``errno``; the message says what was
                written.
        """
        temporary = None
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(
                tempfile.mkdtemp(dir=folder.parent, prefix=f'.{folder.name}.')
            )
            for name, data in files.items():
                atomic_write(temporary / name, data)
            temporary.chmod(0o755)
            temporary.replace(folder)
        except BaseException as error:
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
            if isinstance(error, OSError):
                raise self.explain(folder, error) from error
            raise
        self.written.append(str(folder))

    def explain(self, path: Path, error: OSError) -> OSError:
        """Make an error that says what has been written, and what not."""
        done = some(self.written, 'file') if self.written else 'nothing'
        advised = OSError(
            f'{path} cannot be written: {error.strerror or error}. Already '
            f'written: {done}; these are whole, and nothing else was left '
            'behind. Make room or choose another folder, then run it again'
        )
        advised.errno = error.errno
        return advised


def to_coco(
    images: Sequence[ImageBoxes], info: dict[str, Any]
) -> dict[str, Any]:
    """Return boxes as COCO writes them; ids are those of the order.

    The empty parts are for CVAT, which refuses a box without a segmentation
    and, in some releases, a file without licences.
    """
    annotations: list[dict[str, Any]] = []
    for image_id, image in enumerate(images, 1):
        for box, score in zip(image.boxes, image.scores, strict=True):
            x1, y1, x2, y2 = (int(v) for v in box)
            annotations.append(
                {
                    'id': len(annotations) + 1,
                    'image_id': image_id,
                    'category_id': 1,
                    'bbox': [x1, y1, x2 - x1, y2 - y1],
                    'area': (x2 - x1) * (y2 - y1),
                    'iscrowd': 0,
                    'segmentation': [],
                    # as few digits as distinguish it from other float32 values
                    'score': float(str(score)),
                }
            )
    return {
        'info': info,
        'licenses': [],
        'images': [
            {
                'id': image_id,
                'file_name': image.path,
                'height': image.size[0],
                'width': image.size[1],
            }
            for image_id, image in enumerate(images, 1)
        ],
        'annotations': annotations,
        'categories': [{'id': 1, 'name': CLASS}],
    }


def to_yolo(images: Sequence[ImageBoxes]) -> dict[str, bytes]:
    """Return label files by path: class, centre and size in [0, 1].

    An image without boxes has an empty file: background.

    Raises:
        ValueError: If two images differ by their suffix alone.
    """
    files: dict[str, bytes] = {}
    for image in images:
        name = str(PurePosixPath(image.path).with_suffix('.txt'))
        if name in files:
            raise ValueError(
                f'{image.path} and another image would share the labels '
                f'{name}; rename one of them'
            )
        height, width = image.size
        lines = []
        for x1, y1, x2, y2 in image.boxes.tolist():
            row = (
                (x1 + x2) / 2 / width,
                (y1 + y2) / 2 / height,
                (x2 - x1) / width,
                (y2 - y1) / height,
            )
            lines.append('0 ' + ' '.join(f'{value:.8g}' for value in row))
        files[name] = ''.join(f'{line}\n' for line in lines).encode()
    return files


def read_ground_truth(path: str | Path) -> GroundTruth:
    """Read true boxes from a COCO file.

    Crowds and boxes without an area are left out, as mmdet does, and counted
    in the log. An image that has no other labels is not good, so it is not
    among the images without a box.

    Raises:
        FileNotFoundError: If there is no such file.
        AnnotationError: If it is no COCO file of boxes.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'no ground truth {path}')
    coco = read_coco(path)
    left_out: dict[str, list[int]] = {}
    try:
        names = {c['id']: str(c['name']) for c in coco['categories']}
        labels = {key: i for i, key in enumerate(names)}
        files = {image['id']: image['file_name'] for image in coco['images']}
        found: dict[str, list] = {name: [] for name in files.values()}
        for entry in coco['annotations']:
            box = plain_box(entry['bbox'])
            if box is None:
                raise ValueError(f'a bbox is {shown(entry["bbox"])}')
            x, y, w, h = box
            label = labels[entry['category_id']]
            file = files[entry['image_id']]
            if entry.get('iscrowd') or entry.get('ignore') or min(w, h) <= 0:
                left_out.setdefault(file, []).append(label)
            else:
                found[file].append((x, y, x + w, y + h, label))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise AnnotationError(
            f'{path}: expected a COCO file with images, categories and '
            f'annotations with a bbox [x, y, w, h], but '
            f'{type(error).__name__}: {error}; mmcvgssl prepare check '
            'lists all that is wrong'
        ) from error
    if left_out:
        print_log(
            f'{path}: crowds and boxes without an area are left out: '
            f'{some([printable(f) for f, n in left_out.items() for _ in n])}',
            'current',
            logging.WARNING,
        )
    images = {}
    for name, rows in found.items():
        if name in left_out and not rows:
            continue
        table = np.array(rows, dtype=np.float64).reshape(-1, 5)
        images[name] = table[:, :4], table[:, 4].astype(np.int64)
    return GroundTruth(tuple(names.values()), images, left_out)
