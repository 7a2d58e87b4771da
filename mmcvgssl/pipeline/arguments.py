"""Arguments of ``maps_to_boxes`` in a pipeline's config."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from mmcvgssl.apis.boxes_from_maps import boxes_from_maps
from mmcvgssl.apis.maps_to_boxes import BoxOptions, MapsToBoxes

# named as on the command line
_ALIASES = {'iou': 'ious', 'threshold': 'map_threshold'}
# arguments that the pipeline sets
_OWN = frozenset({'self', 'maps', 'images', 'out', 'root', 'options'})


def _kinds() -> dict[str, str]:
    """Return what the function takes, by name, as its signatures say."""
    found = {}
    for function in (boxes_from_maps, MapsToBoxes, BoxOptions):
        for name, one in inspect.signature(function).parameters.items():
            if name not in _OWN and one.kind is not one.VAR_KEYWORD:
                found[name] = str(one.annotation)
    return found


_KINDS = _kinds()


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
    if arguments and tool != 'maps_to_boxes':
        raise ValueError(
            f'stage {stage} has arguments ({", ".join(arguments)}), which '
            f'maps_to_boxes alone takes: set `options` for {tool}'
        )
    try:
        found = read_arguments(arguments)
    except ValueError as error:
        raise ValueError(f'stage {stage}: arguments.{error}') from None
    if {'margin', 'map_threshold'} <= {*found}:
        raise ValueError(
            f'stage {stage} has the arguments margin and map_threshold, of '
            'which one is expected: set the other to None'
        )


def read_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments by the function's names, with its types.

    Those that are None or False are left out, so that the default holds.

    Raises:
        ValueError: If one is unknown or of another type.
    """
    found = {}
    for key, value in arguments.items():
        plain = key.replace('-', '_')
        name = _ALIASES.get(plain, plain)
        if name not in _KINDS:
            known = ', '.join(sorted(_KINDS))
            raise ValueError(
                f'{key} is nothing that maps_to_boxes takes here: it takes '
                f'{known}'
            )
        if value is not None and value is not False:
            found[name] = _read(key, value, _KINDS[name])
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
