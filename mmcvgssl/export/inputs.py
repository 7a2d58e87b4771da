"""What a model file's transforms are for the runtime without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mmcvgssl.datasets.transforms import LoadImage
from mmcvgssl.export.placement import placement_of
from mmcvgssl.export.preparation import INTERPOLATIONS

Size = tuple[int, int]

_SUPPORTED = (
    'LoadImage, then Resize or SquareResize to one size (backend cv2; of a '
    'detector, keep_ratio=True, too), or YOLOv5KeepRatioResize and '
    'LetterResize, then PackInputs, or these in TiledSteps'
)


@dataclass(frozen=True)
class Inputs:
    """How images become the input of a graph.

    Args:
        reading: Options of :func:`mmcvgssl.datasets.reading.read_settled`.
        steps: Steps of :func:`mmcvgssl.export.preparation.prepare`.
        height: Height of the input, pixels.
        width: Width of the input, pixels.
    """

    reading: dict[str, Any]
    steps: list[dict[str, Any]]
    height: int
    width: int


def inputs_of(
    transforms: Sequence[Any],
    source: str,
    size_of: Callable[[Mapping[str, Any]], Size] | None = None,
) -> Inputs:
    """Describe transforms for the runtime.

    Args:
        transforms: Built ones of a model file.
        source: The file, for messages.
        size_of: Says which height and width images have that are read by
            some options, pixels. It is asked where the size of the input
            depends on it; None: that is refused.

    Raises:
        ValueError: If the runtime does not have one of them: names it, and
            those that it has.
    """
    load, *others = transforms or [None]
    if not isinstance(load, LoadImage):
        raise _unsupported(load, source)
    reading = {**load.options, 'input_size': load.input_size}
    if reading['depth_range'] is not None:
        reading['depth_range'] = [float(v) for v in reading['depth_range']]
    steps: list[dict[str, Any]] = []
    if len(others) == 1 and type(others[0]).__name__ == 'TiledSteps':
        cut = others[0]
        side, overlap = cut.tiles
        steps.append({'step': 'tiles', 'tile': side, 'overlap': overlap})
        others = [*cut.steps, cut.pack]

        def size_of(options: Mapping[str, Any]) -> Size:
            return side, side

    for step in others:
        name = type(step).__name__
        if name in _PACKS:
            continue
        describe = _DESCRIBED.get(name)
        made = None if describe is None else describe(step)
        if made is None:
            raise _unsupported(step, source)
        steps += made
    sides = [s for s in steps if s['step'] in ('resize', 'pad')]
    if not sides and size_of and any(s['step'] == 'fit' for s in steps):
        size = placement_of(size_of(reading), steps).scaled
        sides = [{'step': 'shape', 'height': size[0], 'width': size[1]}]
        steps += sides
    if not sides:
        raise ValueError(
            f'{source}: its images are not resized to one size, which a '
            f'graph needs; expected {_SUPPORTED}'
        )
    return Inputs(reading, steps, sides[-1]['height'], sides[-1]['width'])


def _resized(step: Any) -> list[dict[str, Any]] | None:
    """Describe mmcv's ``Resize`` to one size or within one, or of tiles."""
    tiles = getattr(step, 'tiles', None)
    plain = (
        isinstance(step.scale, tuple)
        and step.backend == 'cv2'
        and step.interpolation in INTERPOLATIONS
    )
    if not plain:
        return None
    width, height = step.scale
    if step.keep_ratio:
        return [
            {
                'step': 'fit',
                'width': int(width),
                'height': int(height),
                'turns': True,
                'enlarges': True,
                'rounds': 'half-up',
                'interpolation': [step.interpolation] * 2,
            }
        ]
    made: dict[str, Any] = {
        'step': 'resize',
        'width': int(width),
        'height': int(height),
        'interpolation': step.interpolation,
    }
    if tiles is None:
        return [made]
    return [{'step': 'tiles', 'tile': tiles[0], 'overlap': tiles[1]}, made]


def _fit(step: Any) -> list[dict[str, Any]] | None:
    """Describe the resizing that keeps the ratio, of mmyolo."""
    if step.backend != 'cv2':
        return None
    width, height = step.scale
    return [
        {
            'step': 'fit',
            'width': int(width),
            'height': int(height),
            'turns': True,
            'enlarges': True,
            'rounds': 'down',
            'interpolation': ['area', 'bilinear'],
        }
    ]


def _letterbox(step: Any) -> list[dict[str, Any]] | None:
    """Describe resizing and padding to one size, of mmyolo."""
    value = step.pad_val
    if isinstance(value, Mapping):
        value = value.get('img', 0)
    plain = (
        step.backend == 'cv2'
        and not (step.use_mini_pad or step.stretch_only)
        and not step.half_pad_param
        and step.interpolation in INTERPOLATIONS
        and isinstance(value, int)
    )
    if not plain:
        return None
    width, height = (int(side) for side in step.scale)
    return [
        {
            'step': 'fit',
            'width': width,
            'height': height,
            'turns': False,
            'enlarges': bool(step.allow_scale_up),
            'rounds': 'half-even',
            'interpolation': [step.interpolation] * 2,
        },
        {
            'step': 'pad',
            'width': width,
            'height': height,
            'centred': True,
            'value': value,
        },
    ]


_PACKS = ('PackInputs', 'FastPackInputs', 'PackDetInputs')
# by name, as mmyolo need not be installed
_DESCRIBED: Mapping[str, Callable[[Any], list[dict[str, Any]] | None]] = {
    'Resize': _resized,
    'SquareResize': _resized,
    'YOLOv5KeepRatioResize': _fit,
    'LetterResize': _letterbox,
}


def _unsupported(step: Any, source: str) -> ValueError:
    shown = 'nothing' if step is None else repr(step)[:200]
    return ValueError(
        f'{source}: exported models cannot do {shown} of its transforms; '
        f'expected {_SUPPORTED}'
    )
