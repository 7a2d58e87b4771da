"""What of a COCO file a detector learns from, by the built data set."""

from __future__ import annotations

import contextlib
import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.logging import MMLogger
from mmengine.registry import DATASETS, DefaultScope

from mmcvgssl.datasets.contents import Contents

IMAGES, GOOD, BOXES = 'images', 'without a box', 'boxes'


def what_is_seen(
    held: Mapping[str, Any],
    data_set: Mapping[str, Any],
    scope: str = 'mmdet',
) -> Contents:
    """Build a data set and compare it with a sound COCO file.

    It holds images, those of them without a box, and boxes that count. What
    the file has besides is left out: names of images, and of boxes by their
    image.

    Args:
        held: Content of the file.
        data_set: Config of the data set that reads it.
        scope: Of its type.

    Raises:
        KeyError: If there is no such type.
    """
    infos = {info['img_id']: info for info in build_infos(data_set, scope)}
    boxes: dict[Any, list[Mapping[str, Any]]] = defaultdict(list)
    for entry in held['annotations']:
        boxes[entry['image_id']].append(entry)
    filters = {} if data_set.get('test_mode') else data_set.get('filter_cfg')
    found = Contents(str(data_set['ann_file']))
    good = counted = 0
    for image in held['images']:
        name, own = image['file_name'], boxes[image['id']]
        info = infos.get(image['id'])
        if info is None:
            reason = _why_not(image, own, filters or {}, data_set)
            found.leave_out(reason, name)
            continue
        used = sum(not box['ignore_flag'] for box in info['instances'])
        good, counted = good + (not used), counted + used
        ignored = [box for box in own if _ignored(box)]
        for box in ignored:
            found.leave_out(_ignored(box), name)
        # what no rule here explains is said, too
        rest = len(own) - len(ignored) - used
        found.leave_out('boxes, for a reason of its own', *[name] * rest)
    found.kept = {IMAGES: len(infos), GOOD: good, BOXES: counted}
    return found


def build_infos(
    data_set: Mapping[str, Any], scope: str = 'mmdet'
) -> list[dict[str, Any]]:
    """Build a data set without its pipeline; return what it knows of images.

    Args:
        data_set: Its config.
        scope: Of its type.

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


def _ignored(box: Mapping[str, Any]) -> str:
    if box.get('ignore'):
        return 'boxes with ignore=1'
    # a detector here takes what lies in them for background
    return 'crowds (boxes with iscrowd=1)' if box.get('iscrowd') else ''


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
            'data set keeps them)'
        )
    if min(image['width'], image['height']) < least:
        return (
            f'images with a side smaller than {least} pixels '
            '(filter_cfg.min_size=1 of the data set keeps them)'
        )
    if data_set.get('indices') is not None:
        return 'images that indices of the data set leaves out'
    return 'images, for a reason of its own'
