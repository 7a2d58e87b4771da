"""Boxes that a detector finds in unlabelled images, joined to true labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from mmcvgssl.apis.self_training.detections import FLOOR, Detector
from mmcvgssl.apis.self_training.files import write_joined
from mmcvgssl.apis.self_training.held_out import check_held_out, compare
from mmcvgssl.apis.self_training.inputs import (
    Labels,
    find_unlabelled,
    read_labels,
)
from mmcvgssl.apis.self_training.joining import JoinOptions, join
from mmcvgssl.apis.self_training.summary import SelfTraining
from mmcvgssl.datasets.coco_seen import REGIONS
from mmcvgssl.datasets.copies import refuse_tested
from mmcvgssl.datasets.reading import UnreadableImageError
from mmcvgssl.evaluation.box_recall import check_ious
from mmcvgssl.evaluation.box_thresholds import BoxThreshold, BoxThresholds
from mmcvgssl.locks import locked
from mmcvgssl.maps.writer import relative_path
from mmcvgssl.provenance import of_file
from mmcvgssl.runner.crowds import use_of_crowds
from mmcvgssl.utils import check_folder, printable

Source = str | Path


def self_train(
    model: Source,
    images: Source,
    labels: Source,
    out: Source,
    held_out: Sequence[tuple[Source, Source]] = (),
    threshold: float | None = None,
    precision: float | None = None,
    iou: float = 0.5,
    background: float | None = None,
    ignore_from: float | None = None,
    exclude: Source | None = None,
    root: Source | None = None,
    encoding: str = '',
    config: Source | None = None,
    device: str | None = None,
    workers: int | None = None,
) -> SelfTraining:
    """Find boxes in unlabelled images, and join them to true labels.

    Writes ``annotations.json``, a COCO file to train on from the start,
    where boxes of the detector have a ``score`` and ``pseudo: true``;
    ``report.json``; and ``boxes.jpg``, some of these boxes. Images with
    labels keep them. Files of other boxes move to the folder ``earlier``.

    Thresholds are chosen, for each class, on labels that a detector did not
    learn from: those of a validation part, or of folds, each with a detector
    that was trained on the other folds.

    Args:
        model: A model file, or the checkpoint of a training.
        images: Folder of images, or a list with a path a line.
        labels: COCO file of the true labels.
        out: Folder to write to.
        held_out: Detectors, and COCO files of labels that they have not
            learned from.
        threshold: Instead of them, the threshold of all classes.
        precision: See :meth:`BoxThresholds.choose`.
        iou: Overlap from which a box fits a label.
        background: See :class:`JoinOptions`.
        ignore_from: See :class:`JoinOptions`.
        exclude: COCO file of images that are tested on: no boxes are found
            in them, or in copies of them, and none of these has a label.
        root: Folder that listed paths and the labels' ``file_name`` are
            relative to; by default the folder of images, or the list's.
        encoding: Encoding of the list.
        config: Config of the training, for a checkpoint that holds none.
        device: By default the GPU, if there is one.
        workers: Processes that read images.

    Raises:
        FileNotFoundError: If a file is missing.
        AnnotationError: If something is wrong with labels.
        UnreadableImageError: If no image can be read.
        ValueError: If an option is out of range, classes differ, a labelled
            image is tested on, no image is left, or no box is believed.
        mmcvgssl.weights.WeightsError: If ``model`` is no file of weights.
        FolderInUseError: If another run writes there.

    Example:
        >>> given = 'epoch_300.pth', 'images', 'labels.json', 'joined'
        >>> try:
        ...     self_train(*given)
        ... except ValueError as error:
        ...     print(str(error).rpartition(', ')[2])
        got none
    """
    rules = JoinOptions(background, ignore_from)
    _check_choice(held_out, threshold, precision, iou)
    folder = Path(check_folder(out, '--out'))
    home = _home(images, root)
    truth = read_labels(labels, home)
    tested = read_labels(exclude, home, testing=True) if exclude else None
    searched = find_unlabelled(
        *(images, root, encoding, truth.paths),
        tested.paths if tested is not None else (),
    )
    parts = [(own, read_labels(file, home)) for own, file in held_out]
    for _, part in parts:
        check_held_out(part, truth)
    if tested is not None:
        for part in (truth, *(part for _, part in parts)):
            refuse_tested(
                *(part.paths, tested.paths, home),
                f'labelled images ({part.file})',
            )
    detector = Detector(model, truth.classes, config, device, workers)
    _check_crowds(detector, ignore_from, model)
    with locked(folder):
        thresholds = [BoxThreshold(threshold) for _ in truth.classes]
        if parts:
            chooser = BoxThresholds(truth.classes, iou)
            for number, (own, part) in enumerate(parts, 1):
                other = Detector(own, truth.classes, config, device, workers)
                title = f'held out, {number} of {len(parts)}'
                compare(chooser, other, part, home, title)
            thresholds = chooser.choose(precision)
        _check_thresholds(thresholds, precision)
        found, errors = detector.detect(
            home, searched.paths, 'unlabelled images'
        )
        if not found:
            raise UnreadableImageError(
                f'none of {len(searched.paths)} images can be read; '
                f'{next(iter(errors.values()))}'
            )
        joined = join(truth.content, found, thresholds, rules)
        if not joined.boxes:
            raise ValueError(
                f'no box in {len(found)} images reaches the threshold of its '
                f'class ({_spelled(truth.classes, thresholds)}): lower '
                '--threshold or --precision, or train the detector longer'
            )
        classes = {
            name: {
                'labels': _count(truth, index),
                'boxes': joined.counts[index],
                'threshold': own.score,
                'source': own.source,
                'precision': own.precision,
                'recall': own.recall,
                'held_out': own.labels,
            }
            for index, (name, own) in enumerate(
                zip(truth.classes, thresholds, strict=True)
            )
        }
        counts = {
            'labelled': len(truth.paths),
            'searched': len(searched.paths),
            'boxed': len(joined.boxes),
            'background': len(joined.background),
            'left_out': len(joined.left_out),
            'copies': len(searched.copies),
            'tested': searched.tested,
            'not_read': len(errors),
        }
        report = {
            'model': _named(model),
            'labels': _named(labels),
            'images_root': relative_path(str(home), str(folder)),
            'held_out': [[_named(m), _named(f)] for m, f in held_out],
            'options': {
                **asdict(rules),
                'threshold': threshold,
                'precision': precision,
                'iou': iou,
            },
            'images': counts,
            'classes': classes,
            'boxes': sum(joined.counts),
            'ignored': joined.ignored,
            'left_out': joined.left_out,
            'background': joined.background,
            'copies': list(searched.copies),
            'not_read': errors,
        }
        files = write_joined(
            folder, joined, found, home, detector.reading, report, truth
        )
    return SelfTraining(
        *(Path(files[0]), classes, counts, joined.ignored, errors, files)
    )


def _home(images: Source, root: Source | None) -> Path:
    home = Path(root or images)
    return (home if home.is_dir() else home.parent).resolve()


def _check_choice(
    held_out: Sequence[tuple[Source, Source]],
    threshold: float | None,
    precision: float | None,
    iou: float,
) -> None:
    check_ious([iou])
    if (threshold is None) == (not held_out):
        got = 'none' if threshold is None else 'both'
        raise ValueError(
            'expected labels to choose thresholds on (--held-out MODEL '
            f'COCO.json), or a threshold (--threshold SCORE), got {got}'
        )
    if threshold is not None and not FLOOR <= threshold <= 1:
        raise ValueError(
            f'a threshold is a score in [{FLOOR}, 1], got {threshold}'
        )
    if precision is not None:
        if not 0 < precision <= 1:
            raise ValueError(
                f'a precision is a share in (0, 1], got {precision}'
            )
        if threshold is not None:
            raise ValueError(
                'a precision is reached by thresholds of held-out labels, '
                'and --threshold names one: leave one of them out'
            )


def _check_crowds(
    detector: Detector, ignore_from: float | None, model: Source
) -> None:
    scope = str(detector.model.get('_scope_', 'mmdet'))
    if (
        ignore_from is None
        or use_of_crowds(detector.model, (), scope) == REGIONS
    ):
        return
    raise ValueError(
        f'--ignore-from: a {detector.model.get("type")} as {model} learns '
        'crowds as background: leave it out, or set ignore_iof_thr of all its '
        'assigners, as in configs/_base_/detectors/faster-rcnn_r18_256px.py'
    )


def _check_thresholds(
    thresholds: Sequence[BoxThreshold], precision: float | None
) -> None:
    if any(own.score is not None for own in thresholds):
        return
    wanted = (
        'one fits a label'
        if precision is None
        else (f'a share of {precision} fits a label')
    )
    raise ValueError(
        f'of the boxes that detectors find in held-out images not {wanted}, '
        'so none can be believed: lower --precision, train the detectors '
        'longer, or name a --threshold'
    )


def _count(truth: Labels, index: int) -> int:
    key = truth.content['categories'][index]['id']
    boxes = truth.content['annotations']
    return sum(box['category_id'] == key for box in boxes)


def _spelled(
    classes: Sequence[str], thresholds: Sequence[BoxThreshold]
) -> str:
    return ', '.join(
        f'{printable(name)} '
        + ('none' if own.score is None else f'{own.score:.3f}')
        for name, own in zip(classes, thresholds, strict=True)
    )


def _named(source: Source) -> dict[str, str]:
    path = Path(source)
    return {'name': path.name, 'digest': of_file(path)}
