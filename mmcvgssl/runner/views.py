"""Where random views are made: in the workers, or on the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import Any

from mmcvgssl.datasets.transforms.draw_views import NUMBERS, drawn_views
from mmcvgssl.datasets.views import UnknownStepError
from mmcvgssl.runner.load_steps import type_name

AUTO, WORKERS, DEVICE = 'auto', 'workers', 'device'
_LOADERS = ('train_dataloader', 'val_dataloader')
_MAKERS = (
    'MultiCrop',
    'CutPaste',
    'CutPasteScar',
    'CutPasteUnion',
    'CutPaste3Way',
)


class ViewsOnDevice:
    """How parts of a config change where the device makes the views.

    The config itself stays as it is, so that a training goes on elsewhere.

    Args:
        step: Config of the transform that makes them.
    """

    def __init__(self, step: Mapping[str, Any]) -> None:
        self.step = dict(step)

    def loader(self, cfg: Mapping[str, Any]) -> dict[str, Any]:
        """Return a loader that draws the numbers of views."""
        changed = deepcopy(dict(cfg))
        pipelines = list(_pipelines(changed.get('dataset')))
        for pipeline, index in pipelines:
            pipeline[index] = dict(type='mmcvgssl.DrawViews', of=self.step)
            pack = pipeline[index + 1]
            pack['algorithm_keys'] = (*pack.get('algorithm_keys', ()), NUMBERS)
        if pipelines:
            changed['collate_fn'] = dict(type='mmcvgssl.canvas_collate')
        return changed

    def preprocessor(self, cfg: Mapping[str, Any]) -> dict[str, Any]:
        """Return a data preprocessor that makes the views."""
        own = {**cfg, 'type': 'mmcvgssl.ViewsPreprocessor'}
        return {**own, 'views': self.step}


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
        return ViewsOnDevice(_step(cfg))
    except UnknownStepError as error:
        if wanted == AUTO:
            return None
        raise ValueError(
            f'views={DEVICE!r}: {error}; set views={WORKERS}'
        ) from error


def _step(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """Return the only transform of a config that makes views."""
    found: list[dict[str, Any]] = []
    for name in _LOADERS:
        for pipeline, index in _pipelines(cfg.get(name) or {}):
            step = dict(pipeline[index])
            if step not in found:
                found.append(step)
            kind = type_name(step)
            after = [type_name(each) for each in pipeline[index + 1 :]]
            if after not in (['PackInputs'], ['FastPackInputs']):
                raise UnknownStepError(
                    f'expected PackInputs alone behind {kind}, got {after}'
                )
            if any('Map' in type_name(each) for each in pipeline):
                raise UnknownStepError('anomaly maps follow their images')
            if 'paste_masks' in pipeline[-1].get('algorithm_keys', ()):
                raise UnknownStepError('the device makes no paste_masks')
    if len(found) != 1:
        raise UnknownStepError(
            f'expected one kind of {" or ".join(_MAKERS)}, got {len(found)}'
        )
    if type_name(cfg.get('data_preprocessor') or {}) not in (
        'SelfSupDataPreprocessor',
        'InPlaceSelfSupDataPreprocessor',
    ):
        raise UnknownStepError(
            "expected mmpretrain's SelfSupDataPreprocessor as "
            'data_preprocessor'
        )
    drawn_views(found[0])  # knows all of its transforms
    return found[0]


def _pipelines(node: Any) -> Iterator[tuple[list, int]]:
    """Find pipelines that make views, at any depth, and where they do."""
    if isinstance(node, MutableMapping):
        for key, value in node.items():
            if key == 'pipeline' and isinstance(value, list):
                for index, step in enumerate(value):
                    if type_name(step) in _MAKERS:
                        yield value, index
            else:
                yield from _pipelines(value)
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from _pipelines(item)
