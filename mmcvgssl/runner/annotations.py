"""Boxes that a config reads, checked before the hosts read them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import DATASETS, DefaultScope

from mmcvgssl.datasets.coco_check import (
    AnnotationError,
    CocoFindings,
    check_classes,
    check_coco,
)
from mmcvgssl.datasets.coco_seen import BOXES, GOOD, what_is_seen
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.models.class_counts import check_class_counts
from mmcvgssl.runner.crowds import use_of_crowds
from mmcvgssl.runner.load_steps import image_steps, type_name
from mmcvgssl.utils import printable, some

PARTS = ('train', 'val', 'test')


@dataclass
class Report:
    """Findings about the boxes of a run, for its log.

    Args:
        lines: Level and text of each line.
        good: Parts that are tested on images without boxes.
        classes: Names of the classes; empty without a COCO data set.
        skipped: Images that training cannot read and skips, a line each.
    """

    lines: list[tuple[int, str]] = field(default_factory=list)
    good: list[str] = field(default_factory=list)
    classes: tuple[str, ...] = ()
    skipped: list[str] = field(default_factory=list)


def check_annotations(cfg: Config, parts: Sequence[str] = PARTS) -> Report:
    """Check the COCO files, images and classes of a config's data sets.

    ``check_images`` of the config says how closely images are looked at:
    ``'pixels'`` reads all (the default), ``'sizes'`` their headers alone and
    ``'names'`` none.

    Args:
        cfg: Config of a detector, or any other.
        parts: Names of ``PARTS`` that are to be read.

    Raises:
        FileNotFoundError: If a file of annotations is missing.
        AnnotationError: Names what is wrong with a file, all at once.
        ValueError: If classes of data sets and model do not agree.
    """
    report = Report()
    known: dict[Any, Contents] = {}
    scope = cfg.get('default_scope') or 'mmdet'
    look = cfg.get('check_images', 'pixels')
    listed: dict[tuple[str, ...], str] = {}
    learned: set[str] = set()
    for part in parts:
        loader = cfg.get(f'{part}_dataloader') or {}
        sets = list(coco_sets(loader.get('dataset')))
        own = []
        for data_set in sets:
            where = f'{part}_dataloader.dataset.metainfo.classes'
            file, images = coco_paths(data_set)
            classes = _classes(data_set, scope, file, where)
            check_class_counts(cfg.get('model'), classes, where)
            listed.setdefault(classes, where)
            _check_palette(data_set, classes, part)
            _check_evaluator(cfg, part, file)
            testing = part != 'train'
            key = file, images, classes, testing
            if key in known:
                own.append(known[key])
                continue
            step = next(image_steps(data_set.get('pipeline')), {})
            # good images are used in training if there are others, too
            empty = testing or len(sets) > 1
            found = check_coco(file, images, classes, look, empty, step)
            found = found.skipping(step.get('max_unreadable', 0))
            found.raise_problems()
            pipelines = [data_set.get('pipeline')]
            if not testing:  # those that hooks switch to, as well
                pipelines.append(cfg.get('custom_hooks'))
            _check_thin(found, pipelines)
            known[key] = _compare(report, found, data_set, cfg, part)
            own.append(known[key])
            names = {
                os.path.realpath(images / image['file_name'])
                for image in found.content['images']
            }
            if testing:
                _note_shared(report, part, names & learned)
            else:
                learned |= names
        if part == 'train' and own and not any(c.used[BOXES] for c in own):
            raise AnnotationError(
                'expected boxes to learn from, but train_dataloader reads '
                f'none: {"; ".join(c.summary() for c in own)}'
            )
        if part != 'train' and any(c.used[GOOD] for c in own):
            report.good.append(part)
    if len(listed) > 1:
        disagreeing = ' but '.join(f'{listed[c]} lists {c}' for c in listed)
        raise AnnotationError(
            f'{disagreeing}: a detector has one list of classes'
        )
    report.classes = next(iter(listed), ())
    return report


def count_false_alarms(cfg: Config, report: Report) -> None:
    """Add a metric for the good images that are tested on.

    A pipeline that hands out no true boxes is left as it is.

    Args:
        cfg: Config of the detector.
        report: Report of its data sets.
    """
    for part in report.good:
        key = f'{part}_evaluator'
        metrics = cfg.get(key)
        if not metrics or 'FalseAlarms' in str(metrics):
            continue
        sets = coco_sets(cfg[f'{part}_dataloader'].get('dataset'))
        if all(_has_true_boxes(data_set) for data_set in sets):
            own = metrics if isinstance(metrics, (list, tuple)) else [metrics]
            cfg[key] = [*own, dict(type='mmcvgssl.FalseAlarms')]


def _has_true_boxes(data_set: MutableMapping[str, Any]) -> bool:
    steps = data_set.get('pipeline') or [{}]
    return 'instances' in (steps[-1].get('meta_keys') or ())


def coco_paths(data_set: MutableMapping[str, Any]) -> tuple[Path, Path]:
    """Return the COCO file and the folder of images of a data set."""
    root = Path(data_set.get('data_root') or '')
    prefix = data_set.get('data_prefix') or {}
    return root / data_set['ann_file'], root / prefix.get('img', '')


def coco_sets(node: Any) -> Iterator[MutableMapping[str, Any]]:
    """Find the COCO data sets inside wrappers."""
    if isinstance(node, MutableMapping):
        kind = node.get('type', '')
        if getattr(kind, '__name__', str(kind)).endswith('CocoDataset'):
            if node.get('ann_file'):
                yield node
            return
        for key in ('dataset', 'datasets'):
            yield from coco_sets(node.get(key))
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from coco_sets(item)


def _classes(
    data_set: MutableMapping[str, Any], scope: str, file: Path, where: str
) -> tuple[str, ...]:
    """Return the names that a data set will have."""
    classes = (data_set.get('metainfo') or {}).get('classes')
    check_classes(classes)
    if classes is not None:
        return tuple(classes)
    with (
        DefaultScope.overwrite_default_scope(scope),
        DATASETS.switch_scope_and_registry(None) as registry,
    ):
        kind = data_set['type']
        kind = registry.get(kind) if isinstance(kind, str) else kind
    own = tuple(getattr(kind, 'METAINFO', {}).get('classes', ()))
    listed_classes = tuple(check_coco(file).boxes)
    if not set(listed_classes) <= set(own):
        raise AnnotationError(
            f'{where} is not set, so that the data set takes {len(own)} '
            f'classes of its own ({", ".join(own[:2])}, ...): set it to '
            f'those of {file}, {listed_classes}'
        )
    return own


def _check_palette(
    data_set: MutableMapping[str, Any], classes: Sequence[str], part: str
) -> None:
    palette = (data_set.get('metainfo') or {}).get('palette')
    if isinstance(palette, (list, tuple)) and len(palette) < len(classes):
        raise AnnotationError(
            f'{part}_dataloader.dataset.metainfo has {len(classes)} classes '
            f'and a palette of {len(palette)} colours: give each class one, '
            'or leave the palette out'
        )


def _check_evaluator(cfg: Config, part: str, file: Path) -> None:
    """Refuse an evaluator that reads another file than the data set."""
    metrics = cfg.get(f'{part}_evaluator') or ()
    for metric in metrics if isinstance(metrics, (list, tuple)) else [metrics]:
        ann_file = metric.get('ann_file')
        if ann_file and os.path.realpath(ann_file) != os.path.realpath(file):
            raise AnnotationError(
                f'{part}_evaluator.ann_file is {ann_file}, but '
                f'{part}_dataloader reads {file}: name the same file, or set '
                f'{part}_evaluator.ann_file=None'
            )


def _note_shared(report: Report, part: str, shared: set[str]) -> None:
    if shared:
        names = sorted(map(os.path.basename, shared))
        line = f'{part}: trained on, too: {some(map(printable, names))}'
        report.lines.append((logging.WARNING, line))


def _check_thin(found: CocoFindings, pipelines: Sequence[Any]) -> None:
    """Refuse images of which resizing would leave no row of pixels."""
    least = min(_longest_sides(pipelines), default=None)
    if least is None:
        return
    thin = [
        f'{printable(image["file_name"])}, {image["width"]} x '
        f'{image["height"]}'
        for image in found.content['images']
        if min(image['width'], image['height']) * least
        < max(image['width'], image['height'])
    ]
    if thin:
        raise AnnotationError(
            f'{found.file}: resizing to {least} pixels leaves less than one '
            f'of the shorter side of {some(thin, "image")}: cut them into '
            'pieces, or leave them out'
        )


def _longest_sides(node: Any) -> Iterator[int]:
    """Find the smallest sides that a pipeline resizes images to."""
    if isinstance(node, MutableMapping):
        share = 1.0
        if type_name(node) == 'RandomResize':
            share = min(node.get('ratio_range') or [share])
        for key, value in node.items():
            if key in ('scale', 'img_scale', 'scales'):
                sizes = value if key == 'scales' else [value]
                for size in sizes:
                    if isinstance(size, (list, tuple)) and len(size) == 2:
                        numbers = [v for v in size if isinstance(v, int)]
                        yield from (
                            [int(share * max(numbers))] if numbers else []
                        )
            else:
                yield from _longest_sides(value)
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from _longest_sides(item)


def _compare(
    report: Report,
    found: CocoFindings,
    data_set: MutableMapping[str, Any],
    cfg: Config,
    part: str,
) -> Contents:
    scope = cfg.get('default_scope') or 'mmdet'
    crowds = use_of_crowds(cfg.get('model'), data_set.get('pipeline'), scope)
    seen = what_is_seen(found.content, data_set, scope, crowds)
    seen.warnings += found.note_lines()
    report.skipped += found.skipped
    level = logging.WARNING if seen.left_out else logging.INFO
    (_, summary), *others = seen.lines()
    for more, line in ((level, summary), *others):
        report.lines.append((more, f'{part}: {line}'))
    return seen
