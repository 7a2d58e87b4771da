"""Arguments of stages without a config of their own."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from mmcvgssl.apis.boxes_from_maps import CUT, boxes_from_maps
from mmcvgssl.apis.maps_to_boxes import MapsToBoxes
from mmcvgssl.apis.self_training import self_train
from mmcvgssl.datasets.preparation import draw_folds
from mmcvgssl.maps.box_options import BoxOptions

# named as on the command line
_ALIASES = {
    'maps_to_boxes': {'iou': 'ious', 'threshold': 'map_threshold'},
}
# functions whose arguments a stage may give, by the stage's tool
_FUNCTIONS: Mapping[str, tuple[Callable[..., Any], ...]] = {
    'maps_to_boxes': (boxes_from_maps, MapsToBoxes, BoxOptions),
    'self_train': (self_train,),
    'folds': (draw_folds,),
}
# arguments that the pipeline sets
_OWN = frozenset(
    {
        *('self', 'maps', 'images', 'out', 'root', 'options', 'file'),
        *('model', 'labels', 'held_out', 'exclude', 'config'),
    }
)


def _kinds(functions: tuple[Callable[..., Any], ...]) -> dict[str, str]:
    """Return what functions take, by name, as their signatures say."""
    found = {}
    for function in functions:
        for name, one in inspect.signature(function).parameters.items():
            if name not in _OWN and one.kind is not one.VAR_KEYWORD:
                found[name] = str(one.annotation)
    return found


_KINDS = {tool: _kinds(made) for tool, made in _FUNCTIONS.items()}


def check_arguments(
    stage: str, tool: str, arguments: Mapping[str, Any]
) -> None:
    """Find out whether a stage's arguments can be used.

    Args:
        stage: Its name.
        tool: Tool that the stage runs.
        arguments: Arguments as in the config.

    Raises:
        ValueError: If one is unknown, of another type, or excludes another.
    """
    if arguments and tool not in _KINDS:
        raise ValueError(
            f'stage {stage} has arguments ({", ".join(arguments)}), which '
            f'{", ".join(_KINDS)} alone take: set `options` for {tool}'
        )
    try:
        found = read_arguments(arguments, tool)
        if tool == 'maps_to_boxes':
            BoxOptions(**{k: v for k, v in found.items() if k in CUT})
    except ValueError as error:
        raise ValueError(f'stage {stage}: arguments.{error}') from None
    if {'margin', 'map_threshold'} <= {*found}:
        raise ValueError(
            f'stage {stage} has the arguments margin and map_threshold, of '
            'which one is expected: set the other to None'
        )


def read_arguments(
    arguments: Mapping[str, Any], tool: str = 'maps_to_boxes'
) -> dict[str, Any]:
    """Return arguments by the function's names, with its types.

    Those that are None or False are left out, so that the default holds.

    Args:
        arguments: Arguments as in the config.
        tool: Tool that the stage runs.

    Raises:
        ValueError: If one is unknown or of another type.
    """
    found: dict[str, Any] = {}
    kinds = _KINDS.get(tool, {})
    for key, value in arguments.items():
        plain = key.replace('-', '_')
        name = _ALIASES.get(tool, {}).get(plain, plain)
        if name not in kinds:
            known = ', '.join(sorted(kinds))
            raise ValueError(
                f'{key} is nothing that {tool} takes here: it takes {known}'
            )
        if value is not None and value is not False:
            found[name] = _read(key, value, kinds[name])
    return found


def _read(key: str, value: Any, kind: str) -> Any:
    if kind.startswith('Sequence[float]'):
        many = value if isinstance(value, (list, tuple)) else [value]
        return [_number(key, one, float, 'numbers') for one in many]
    if kind == 'bool':
        if value is True:
            return value
        raise ValueError(f'{key} is True or False, got {value!r}')
    if kind.startswith('int'):
        return _number(key, value, int, 'a whole number')
    if kind.startswith('float'):
        return _number(key, value, float, 'a number')
    if not isinstance(value, str):
        raise ValueError(f'{key} is text, got {value!r}')
    return str(value)


def _number(
    key: str, value: Any, read: Callable[[str], Any], expected: str
) -> Any:
    """Read a number as the command line does, where it is all text."""
    try:
        if not isinstance(value, bool):
            return read(str(value))
    except ValueError:
        pass
    raise ValueError(f'{key} is {expected}, got {value!r}')
