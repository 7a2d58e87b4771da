"""Naming the images of a folder that are worth labelling first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from mmengine.logging import MMLogger

from mmcvgssl.apis.features import FeatureExtractor, Features
from mmcvgssl.apis.selection.files import (
    COCO,
    LIST,
    RECORD,
    SHEET,
    TASKS,
    write_selection,
)
from mmcvgssl.apis.selection.image_pool import ImagePool
from mmcvgssl.apis.selection.scores import score_weights
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.evaluation.few_shot.learners import class_probabilities
from mmcvgssl.locks import locked
from mmcvgssl.maps import MapFolder
from mmcvgssl.maps.box_files import ImageBoxes
from mmcvgssl.maps.box_options import BoxOptions
from mmcvgssl.maps.label_studio import LOCAL_FILES
from mmcvgssl.provenance import of_file
from mmcvgssl.selection import repeated, select, uncertainty
from mmcvgssl.selection.methods import METHODS, UNCERTAINTY, check_numbers
from mmcvgssl.utils import check_folder, printable, some

__all__ = ['Selection', 'select_images', 'selection_text']

_NO_BOXES = np.zeros((0, 4)), np.zeros(0)


@dataclass(frozen=True)
class Selection:
    """Images chosen to be labelled.

    Args:
        paths: In the order of worth, relative to ``root``, with /.
        root: Folder of the images.
        method: How they were chosen.
        candidates: Number of images that they were chosen from.
        known: Number of images that are labelled already.
        copies: Images that have the content of another one, which is
            labelled or was a candidate in their place.
        errors: Why images could not be read, by path.
        without_map: Chosen images that have no map of what they are now.
        repeats: Chosen images whose features are those of a known or an
            earlier chosen one.
        files: Files written.

    Example:
        >>> Selection(['a.png'], Path('images'), 'kmeans', 9, 0).paths
        ['a.png']
    """

    paths: list[str]
    root: Path
    method: str
    candidates: int
    known: int
    copies: list[str] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)
    without_map: list[str] = field(default_factory=list)
    repeats: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)


def select_images(
    images: str | Path,
    budget: int,
    features: str | Path,
    out: str | Path,
    method: str = 'kmeans',
    seed: int = 0,
    known: str | Path | None = None,
    scores: str | Path | None = None,
    maps: str | Path | None = None,
    classes: Sequence[str] = (),
    address: str = LOCAL_FILES,
    root: str | Path | None = None,
    encoding: str = '',
    contents: Contents | None = None,
    boxes: BoxOptions | None = None,
    config: str | Path | None = None,
    size: int | None = None,
    device: str | None = None,
    batch_size: int = 32,
    workers: int | None = None,
) -> Selection:
    """Choose the images of a folder that are worth labelling first.

    Writes ``selected.txt``, a path a line in the order of worth;
    ``contact_sheet.png``; ``label_studio.json``, tasks to import, with
    ``label_studio.xml``, their interface; ``cvat_coco.json``, a COCO file to
    upload to CVAT; and ``selection.json``, how the images were chosen. Files
    of another choice move to the folder ``earlier``. Of images of the very
    same content one is a candidate.

    Args:
        images: Folder of images in any nesting, or a list, ``NAME.txt``, one
            path a line.
        budget: Number of images to choose.
        features: Source of features, see :class:`FeatureExtractor`.
        out: Folder to write to.
        method: See :func:`mmcvgssl.selection.select`.
        seed: Seed of the choice.
        known: List of labelled images, which count as covered and are not
            chosen; ``'uncertainty'`` needs a class index behind each path.
        scores: Anomaly scores that weigh images by rank, see
            :func:`score_weights`.
        maps: Folder of anomaly maps, for boxes to correct.
        classes: Names of classes for the labelling tools.
        address: Start of addresses of images in Label Studio.
        root: Folder that listed paths are relative to; by default the
            list's.
        encoding: Encoding of the lists.
        contents: Collects what the folder holds and what is left out.
        boxes: How boxes are cut from maps.
        config: Config of the training, for a checkpoint that holds none.
        size: Side of the images for the features, pixels.
        device: Device of the networks.
        batch_size: Images that pass at once.
        workers: Processes that read images.

    Raises:
        FileNotFoundError: If a file, or an image of a list, is missing.
        UnreadableImageError: If no image can be read.
        ValueError: If an option is out of range, there are fewer images than
            the budget, or labels are lacking; if fewer than that can be
            read, what could be chosen is written before.
        FolderInUseError: If another run writes there.

    Example:
        >>> found = select_images(
        ...     'test_images', 2, 'model.safetensors', 'selected'
        ... )
        >>> len(found.paths), Path('selected/selected.txt').is_file()
        (2, True)
    """
    if method not in METHODS:
        raise ValueError(
            f'expected a method of {", ".join(METHODS)}, got {method!r}'
        )
    budget, seed = check_numbers(budget, seed)
    if len({*classes}) < len(classes) or not all(map(str.strip, classes)):
        raise ValueError(
            f'expected names of classes, each once, got {list(classes)}'
        )
    out = Path(check_folder(out, 'out'))
    report = contents if contents is not None else Contents(str(images))
    pool = ImagePool.of(images, known, root, encoding, report)
    pool.check(budget, method, known)
    folder = None if maps is None else MapFolder(maps)
    extractor = FeatureExtractor(
        features, config, size, device, batch_size, workers
    )
    weights = None
    if scores is not None:
        weights = score_weights(scores, pool.root, pool.paths, device, workers)
    with locked(out):
        found = extractor([pool.root / path for path in pool.paths])
        choice, again = _choose(pool, found, budget, method, seed, weights)
        drawn, without = _cut_boxes(choice, pool, found, folder, boxes)
        errors = pool.errors(found)
        copies = {k: v for k, v in pool.copies.items() if k not in errors}
        record = {
            **{'method': method, 'seed': seed, 'budget': budget},
            'features': _named(features),
            'scores': None if scores is None else _named(scores),
            'root': str(pool.root),
            'candidates': len(pool.candidates),
            'known': pool.known.paths,
            'copies': copies,
            'not_read': errors,
            'without_map': without,
            'repeats': again,
            'contents': report.as_dict(),
            'images': [
                {'rank': rank, 'path': image.path, 'size': list(image.size)}
                for rank, image in enumerate(drawn, 1)
            ],
        }
        files = write_selection(
            *(out, drawn, record, pool.root, found.reading),
            *(classes, address, folder is not None),
        )
    selection = Selection(
        [image.path for image in drawn],
        *(pool.root, method, len(pool.candidates), len(pool.known.paths)),
        *([*copies], errors),
        *(without, again, files),
    )
    _check_count(selection, budget, out)
    return selection


def selection_text(selection: Selection, out: str | Path) -> str:
    """Return a summary of a choice for people, a path a line.

    Example:
        >>> chosen = Selection(['a.png'], Path('images'), 'kmeans', 9, 0)
        >>> print(selection_text(chosen, 'out').splitlines()[0])
        a.png
    """
    lines = [*map(printable, selection.paths)]
    notes = [
        ('copies of others, which are no candidates', selection.copies),
        ('cannot be read', list(selection.errors)),
        ('without a map of them as they are now', selection.without_map),
        ('with the features of another, chosen or known', selection.repeats),
    ]
    lines += [
        f'{some(map(printable, paths), "image")} {text}'
        for text, paths in notes
        if paths
    ]
    known = f', {selection.known} known' if selection.known else ''
    lines.append(
        f'{len(selection.paths)} of {selection.candidates} images chosen by '
        f'{selection.method}{known}; {LIST}, {SHEET}, {TASKS}, {COCO} and '
        f'{RECORD} written to {out}'
    )
    return '\n'.join(lines)


def _choose(
    pool: ImagePool,
    found: Features,
    budget: int,
    method: str,
    seed: int,
    weights: np.ndarray | None,
) -> tuple[list[int], list[str]]:
    """Return indices, among ``pool.paths``, and paths of those that repeat.

    Raises:
        UnreadableImageError: If no image to choose from can be read.
    """
    indices = np.array(found.indices, np.int64)
    free = indices < len(pool.candidates)
    if not free.any():
        raise UnreadableImageError(
            f'none of {len(pool.candidates)} images can be read; '
            f'{next(iter(found.errors.values()))}'
        )
    own = np.ones(len(indices)) if weights is None else weights[indices]
    known = np.flatnonzero(~free)
    if method == UNCERTAINTY:
        labels = [pool.known.labels[pool.paths[i]] for i in indices[known]]
        if len({*labels}) < 2:
            raise UnreadableImageError(
                f'known images of {len({*labels})} classes can be read, '
                f'expected two or more: replace '
                f'{some(map(printable, pool.errors(found)), "file")}'
            )
        own = own * uncertainty(
            class_probabilities(
                found.rows[known], np.array(labels), found.rows
            )
        )
    count = min(budget, int(free.sum()))
    chosen = select(found.rows, count, method, seed, known.tolist(), own)
    again = repeated(found.rows, chosen, known.tolist())
    return indices[chosen].tolist(), [pool.paths[indices[i]] for i in again]


def _cut_boxes(
    chosen: Sequence[int],
    pool: ImagePool,
    found: Features,
    maps: MapFolder | None,
    options: BoxOptions | None,
) -> tuple[list[ImageBoxes], list[str]]:
    """Return the chosen images with their boxes, and those without a map."""
    sizes = {pool.paths[i]: found.sizes[i] for i in chosen}
    if maps is None:
        images = [ImageBoxes(p, size, *_NO_BOXES) for p, size in sizes.items()]
        return images, []
    cut = options or BoxOptions()
    threshold = cut.map_threshold_of(list(maps))
    mapped = [path for path in sizes if path in maps]
    fitting = {*mapped} - {*maps.find_changed(pool.root, mapped)}
    images = []
    for path, size in sizes.items():
        own = _NO_BOXES
        if path in fitting:
            own = cut.cut(maps.load_map(path), size, threshold)
        images.append(ImageBoxes(path, size, *own))
    boxes, _ = cut.keep(images)
    return boxes, [path for path in sizes if path not in fitting]


def _named(source: str | Path) -> dict[str, str]:
    """Return which file something comes from."""
    path = Path(source)
    if not path.is_file():
        return {'name': str(source)}
    return {'name': path.name, 'digest': of_file(path)}


def _check_count(selection: Selection, budget: int, out: Path) -> None:
    short = budget - len(selection.paths)
    if short:
        names = some(map(printable, selection.errors), 'image')
        raise ValueError(
            f'expected {budget} images to choose, got '
            f'{len(selection.paths)}, which are in {out / LIST}: {names} '
            'cannot be read; replace these files, or lower the budget'
        )
    for path, error in selection.errors.items():
        MMLogger.get_current_instance().warning(
            f'left out: {printable(path)}: {printable(error)}'
        )
