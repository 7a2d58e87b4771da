"""Where random views are made: in the workers, or on the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import Any

from mmcvgssl.datasets.transforms.draw_views import NUMBERS, DrawViews
from mmcvgssl.datasets.views import UnknownStepError
from mmcvgssl.runner.load_steps import type_name

AUTO, WORKERS, DEVICE = 'auto', 'workers', 'device'
_LOADERS = ('train_dataloader', 'val_dataloader')


class ViewsOnDevice:
    """How parts of a config change where the device makes the views.

    The config itself stays as it is, so that a training goes on elsewhere.

    Args:
        options: Those of ``MultiCrop``.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = dict(options)

    def loader(self, cfg: Mapping[str, Any]) -> dict[str, Any]:
        """Return a loader that draws the numbers of views."""
        changed = deepcopy(dict(cfg))
        pipelines = list(_pipelines(changed.get('dataset')))
        for pipeline, index in pipelines:
            pipeline[index] = {**self.options, 'type': 'mmcvgssl.DrawViews'}
            pack = pipeline[index + 1]
            pack['algorithm_keys'] = (*pack.get('algorithm_keys', ()), NUMBERS)
        if pipelines:
            changed['collate_fn'] = dict(type='mmcvgssl.canvas_collate')
        return changed

    def preprocessor(self, cfg: Mapping[str, Any]) -> dict[str, Any]:
        """Return a data preprocessor that makes the views."""
        own = {**cfg, 'type': 'mmcvgssl.ViewsPreprocessor'}
        return {**own, 'views': self.options}


def plan_views(cfg: Mapping[str, Any], cuda: bool) -> ViewsOnDevice | None:
    """Settle where views are made, by the option ``views`` of a config.

    Args:
        cfg: Config; ``views`` is ``'workers'``, ``'device'``, or ``'auto'``:
            on the device if it is a GPU that can make them.
        cuda: Whether it is one.

    Returns:
        None: in the workers.

    Raises:
        ValueError: If ``views`` is none of these, or the device shall make
            views that it cannot.

    Example:
        >>> plan_views({'views': 'workers'}, cuda=True) is None
        True
    """
    wanted = cfg.get('views', WORKERS)
    if wanted not in (AUTO, WORKERS, DEVICE):
        raise ValueError(
            f'views={wanted!r}: expected {AUTO!r}, {WORKERS!r} or {DEVICE!r}'
        )
    if wanted == WORKERS or (wanted == AUTO and not cuda):
        return None
    try:
        return ViewsOnDevice(_options(cfg))
    except UnknownStepError as error:
        if wanted == AUTO:
            return None
        raise ValueError(
            f'views={DEVICE!r}: {error}; set views={WORKERS}'
        ) from error


def _options(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the only ``MultiCrop`` that a config has."""
    found: list[dict[str, Any]] = []
    for name in _LOADERS:
        for pipeline, index in _pipelines(cfg.get(name) or {}):
            step = dict(pipeline[index])
            del step['type']
            if step not in found:
                found.append(step)
            after = [type_name(each) for each in pipeline[index + 1 :]]
            if after not in (['PackInputs'], ['FastPackInputs']):
                raise UnknownStepError(
                    f'expected PackInputs alone behind MultiCrop, got {after}'
                )
            if any('Map' in type_name(each) for each in pipeline):
                raise UnknownStepError('anomaly maps follow their images')
    if len(found) != 1:
        raise UnknownStepError(
            f'expected one kind of MultiCrop, got {len(found)}'
        )
    if type_name(cfg.get('data_preprocessor') or {}) not in (
        'SelfSupDataPreprocessor',
        'InPlaceSelfSupDataPreprocessor',
    ):
        raise UnknownStepError(
            "expected mmpretrain's SelfSupDataPreprocessor as "
            'data_preprocessor'
        )
    DrawViews(**found[0])  # knows all of its transforms
    return found[0]


def _pipelines(node: Any) -> Iterator[tuple[list, int]]:
    """Find pipelines with a ``MultiCrop`` at any depth, and its index."""
    if isinstance(node, MutableMapping):
        for key, value in node.items():
            if key == 'pipeline' and isinstance(value, list):
                for index, step in enumerate(value):
                    if type_name(step) == 'MultiCrop':
                        yield value, index
            else:
                yield from _pipelines(value)
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from _pipelines(item)
