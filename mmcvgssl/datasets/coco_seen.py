"""The images and boxes of a COCO file that a detector learns from."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, DefaultScope

from mmcvgssl.datasets.coco_boxes import image_size, overlap, plain_box
from mmcvgssl.datasets.coco_findings import CocoFindings
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.utils import printable, some

IMAGES, GOOD, BOXES = 'images', 'without a box', 'boxes'
# use of crowds in training and testing
BACKGROUND = 'learned as background'
REGIONS = 'regions of which nothing is learned'
DIFFERENT = 'learned as background, save by the Faster R-CNN recipes here'
UNCOUNTED = 'regions in which detections are not counted'
# recipes, and the filters of their data sets in training
OURS, MMDET, MMYOLO = "this package's", "mmdet's own", "mmyolo's own"
_FILTERS: dict[str, dict[str, Any] | None] = {
    OURS: None,
    MMDET: dict(filter_empty_gt=True, min_size=32),
    MMYOLO: dict(filter_empty_gt=False, min_size=32),
}


def seen_by_hosts(
    coco: CocoFindings,
    folder: str | Path,
    classes: Sequence[str],
    testing: bool = False,
) -> dict[str, Contents]:
    """Compare a COCO file with what the recipes of each host learn from.

    Args:
        coco: The file, which they can open.
        folder: Folder of its images.
        classes: Names that a config lists.
        testing: Whether it is tested on, where nothing is filtered.

    Returns:
        What is used and left out, by ``OURS``, ``MMDET`` and ``MMYOLO``.
    """
    data_set = {
        'type': 'mmdet.CocoDataset',  # mmyolo's filters as it does
        'ann_file': str(coco.file),
        'data_prefix': {'img': str(folder)},
        'metainfo': {'classes': tuple(classes)},
        'test_mode': testing,
    }
    return {
        host: what_is_seen(coco.content, {**data_set, 'filter_cfg': filters})
        for host, filters in _FILTERS.items()
    }


def what_is_seen(
    content: Mapping[str, Any],
    data_set: Mapping[str, Any],
    scope: str = 'mmdet',
    crowds: str = DIFFERENT,
) -> Contents:
    """Build a data set and compare it with a sound COCO file.

    It holds images, those of them without a box, and boxes that count. What
    the file has besides is left out: names of images, and of boxes by their
    image.

    Args:
        content: Content of the file.
        data_set: Config of the data set that reads it.
        scope: Scope of its type.
        crowds: How training treats crowds.

    Raises:
        KeyError: If there is no such type.
    """
    infos = {info['img_id']: info for info in build_infos(data_set, scope)}
    boxes: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in content['annotations']:
        boxes[entry['image_id']].append(entry)
    testing = data_set.get('test_mode')
    filters = {} if testing else data_set.get('filter_cfg')
    crowds = UNCOUNTED if testing else crowds
    found = Contents(str(data_set['ann_file']))
    good = counted = n_ignored = 0
    taken_for_good: list[str] = []
    for image in content['images']:
        name, own = image['file_name'], boxes[image['id']]
        info = infos.get(image['id'])
        if info is None:
            reason = _why_not(image, own, filters or {}, data_set)
            found.leave_out(reason, name)
            continue
        used = sum(not box['ignore_flag'] for box in info['instances'])
        good, counted = good + (not used), counted + used
        # assigners know no regions where an image has no box
        use = crowds if used or testing else BACKGROUND
        reasons = [_ignored(box, use, testing) for box in own]
        ignored = [reason for reason in reasons if reason]
        for reason in ignored:
            found.leave_out(reason, name)
        n_ignored += len(ignored)
        if ignored and not used and not testing:
            taken_for_good.append(name)
        wrong = [_unfit(box, image) for box in own]
        for reason in filter(None, wrong):
            found.leave_out(reason, name)
        # images without a known reason are listed, too
        rest = len(own) - len(ignored) - used - sum(map(bool, wrong))
        found.leave_out('boxes, for a reason of its own', *[name] * rest)
    found.used = {IMAGES: len(infos), GOOD: good, BOXES: counted}
    if n_ignored:
        found.warnings.append(_advice(taken_for_good))
    return found


def build_infos(
    data_set: Mapping[str, Any], scope: str = 'mmdet'
) -> list[dict[str, Any]]:
    """Build a data set without its pipeline; return what it knows of images.

    Args:
        data_set: Its config.
        scope: Scope of its type.

    Raises:
        KeyError: If there is no such type.
    """
    bare = {**data_set, 'pipeline': [], 'serialize_data': False}
    # the reader of COCO files prints; a logger made meanwhile would, too
    MMLogger.get_current_instance()
    with (
        DefaultScope.overwrite_default_scope(scope),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        built = DATASETS.build(bare)
        built.full_init()
    return built.data_list


def _ignored(box: Mapping[str, Any], crowds: str, testing: Any) -> str:
    """Return why a box is ignored; empty if it is not."""
    if box.get('ignore'):  # the hosts' data sets drop this key
        reason = '' if testing else f', {BACKGROUND}'
        return f'boxes with ignore=1{reason}'
    return f'crowds (iscrowd=1), {crowds}' if box.get('iscrowd') else ''


def _unfit(box: Mapping[str, Any], image: Mapping[str, Any]) -> str:
    """Return why the hosts drop a box; empty if they do not."""
    if box.get('ignore'):
        return ''
    sides, size = plain_box(box['bbox']), image_size(image)
    if sides is None or size is None:
        return ''
    if box.get('area', 1) <= 0 or min(sides[2:]) < 1:
        return 'boxes thinner than a pixel, or without an area'
    if not overlap(sides, (0, 0, *size)):
        return 'boxes outside their image'
    return ''


def _advice(taken_for_good: Sequence[str]) -> str:
    text = (
        'where a crowd or a box with ignore=1 is one defect, '
        'mmcvgssl prepare repair --fixes crowds makes it a box'
    )
    if taken_for_good:
        names = some(map(printable, taken_for_good), 'image')
        text += f'; without another box, and learned as good: {names}'
    return text


def _why_not(
    image: Mapping[str, Any],
    boxes: Sequence[Mapping[str, Any]],
    filters: Mapping[str, Any],
    data_set: Mapping[str, Any],
) -> str:
    least = filters.get('min_size', 0)
    if filters.get('filter_empty_gt') and not boxes:
        return (
            'images without a box (filter_cfg.filter_empty_gt=False of the '
            'data set includes them)'
        )
    if min(image['width'], image['height']) < least:
        return (
            f'images with a side smaller than {least} pixels '
            '(filter_cfg.min_size=1 of the data set includes them)'
        )
    if data_set.get('indices') is not None:
        return 'images that indices of the data set leaves out'
    return 'images, for a reason of its own'
