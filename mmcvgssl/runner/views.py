"""Where random views are made: in the workers, or on the device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping
from copy import deepcopy
from typing import Any

from mmcvgssl.datasets.transforms.draw_views import (
    MAKERS,
    NUMBERS,
    drawn_views,
)
from mmcvgssl.datasets.views import UnknownStepError
from mmcvgssl.maps import MappedView
from mmcvgssl.runner.load_steps import type_name

AUTO, WORKERS, DEVICE = 'auto', 'workers', 'device'
_LOADERS = ('train_dataloader', 'val_dataloader')
_NAMES = tuple(kind.__name__ for kind in MAKERS)
_JOINT = 'JointGeometry'
# what packs views, and what normalises them, of one kind or the other
_PACKS = 'PackInputs', 'FastPackInputs'
_NORMALISING = 'SelfSupDataPreprocessor', 'InPlaceSelfSupDataPreprocessor'
_PACKS_WITH_MAP = ('PackInputsWithMap',)
_NORMALISING_WITH_MAP = ('ClsDataPreprocessor',)


class ViewsOnDevice:
    """How parts of a config change where the device makes the views.

    The config itself stays as it is, so that a training goes on elsewhere.

    Args:
        steps: Configs of the transforms that make them: one that makes
            several views, or ``JointGeometry`` and what follows it.
    """

    def __init__(self, steps: list[dict[str, Any]]) -> None:
        self.steps = steps
        first, *others = steps
        if type_name(first) == _JOINT:
            options: dict[str, Any] = dict(geometry=first, others=others)
            self._draw = dict(type='mmcvgssl.DrawMappedView', **options)
            kind = 'mmcvgssl.MappedViewPreprocessor'
            self._make = dict(type=kind, **options)
        else:
            self._draw = dict(type='mmcvgssl.DrawViews', of=first)
            self._make = dict(type='mmcvgssl.ViewsPreprocessor', views=first)

    def loader(self, cfg: Mapping[str, Any]) -> dict[str, Any]:
        """Return a loader that draws the numbers of views."""
        changed = deepcopy(dict(cfg))
        pipelines = list(_pipelines(changed.get('dataset')))
        for pipeline, start in pipelines:
            pipeline[start:-1] = [deepcopy(self._draw)]
            pack = pipeline[-1]
            pack['algorithm_keys'] = (*pack.get('algorithm_keys', ()), NUMBERS)
        if pipelines:
            changed['collate_fn'] = dict(type='mmcvgssl.canvas_collate')
        return changed

    def preprocessor(self, cfg: Mapping[str, Any]) -> dict[str, Any]:
        """Return a data preprocessor that makes the views."""
        return {**cfg, **self._make}


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
        return ViewsOnDevice(_steps(cfg))
    except UnknownStepError as error:
        if wanted == AUTO:
            return None
        raise ValueError(
            f'views={DEVICE!r}: {error}; set views={WORKERS}'
        ) from error


def _steps(cfg: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the transforms of a config that make views, all alike."""
    found: list[list[dict[str, Any]]] = []
    for name in _LOADERS:
        for pipeline, start in _pipelines(cfg.get(name) or {}):
            steps = [dict(step) for step in pipeline[start:-1]]
            _check(pipeline, start)
            if steps not in found:
                found.append(steps)
    if len(found) != 1:
        raise UnknownStepError(
            f'expected one kind of {" or ".join((*_NAMES, _JOINT))}, got '
            f'{len(found)}'
        )
    first, *others = found[0]
    mapped = type_name(first) == _JOINT
    known = _NORMALISING_WITH_MAP if mapped else _NORMALISING
    if _normalising(cfg) not in known:
        raise UnknownStepError(
            f"expected mmpretrain's {known[0]} as data_preprocessor"
        )
    # each knows all of its transforms
    if mapped:
        MappedView(first, others)
    else:
        drawn_views(first)
    return found[0]


def _check(pipeline: list, start: int) -> None:
    """Check what stands around the transforms that make views."""
    kind, *after = (type_name(each) for each in pipeline[start:])
    if kind == _JOINT:
        if after[-1:] != list(_PACKS_WITH_MAP):
            raise UnknownStepError(
                f'expected {_PACKS_WITH_MAP[0]} at the end, got {after}'
            )
        return
    if len(after) != 1 or after[0] not in _PACKS:
        raise UnknownStepError(
            f'expected PackInputs alone behind {kind}, got {after}'
        )
    if any('Map' in type_name(each) for each in pipeline):
        raise UnknownStepError('anomaly maps follow their images')
    if 'paste_masks' in pipeline[-1].get('algorithm_keys', ()):
        raise UnknownStepError('the device makes no paste_masks')


def _normalising(cfg: Mapping[str, Any]) -> str:
    """Return the type of a config's data preprocessor."""
    own = (cfg.get('model') or {}).get('data_preprocessor')
    return type_name(own or cfg.get('data_preprocessor') or {})


def _pipelines(node: Any) -> Iterator[tuple[list, int]]:
    """Find pipelines that make views, at any depth, and where they begin."""
    if isinstance(node, MutableMapping):
        for key, value in node.items():
            if key == 'pipeline' and isinstance(value, list):
                kinds = [type_name(step) for step in value]
                for index, kind in enumerate(kinds):
                    if kind in (*_NAMES, _JOINT):
                        yield value, index
                        break
            else:
                yield from _pipelines(value)
    elif isinstance(node, (list, tuple)):
        for item in node:
            yield from _pipelines(item)
