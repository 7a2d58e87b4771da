"""What a model file's transforms are for the runtime without torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mmcv.transforms import Resize

from mmcvgssl.datasets.transforms import LoadImage
from mmcvgssl.export.preparation import INTERPOLATIONS

_SUPPORTED = (
    'LoadImage, then Resize or SquareResize to one size (keep_ratio=False, '
    'backend cv2, no tiles), then PackInputs'
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


def inputs_of(transforms: Sequence[Any], source: str) -> Inputs:
    """Describe transforms for the runtime.

    Args:
        transforms: Built ones of a model file.
        source: The file, for messages.

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
    for step in others:
        if type(step).__name__ in ('PackInputs', 'FastPackInputs'):
            continue
        plain = isinstance(step, Resize) and (
            step.scale is not None
            and not step.keep_ratio
            and step.backend == 'cv2'
            and step.interpolation in INTERPOLATIONS
            # the score of an image in tiles is not that of one input
            and getattr(step, 'tiles', None) is None
        )
        if not plain:
            raise _unsupported(step, source)
        width, height = step.scale
        steps.append(
            {
                'step': 'resize',
                'width': int(width),
                'height': int(height),
                'interpolation': step.interpolation,
            }
        )
    if not steps:
        raise ValueError(
            f'{source}: its images are not resized to one size, which a '
            f'graph needs; expected {_SUPPORTED}'
        )
    return Inputs(reading, steps, steps[-1]['height'], steps[-1]['width'])


def _unsupported(step: Any, source: str) -> ValueError:
    shown = 'nothing' if step is None else repr(step)[:200]
    if getattr(step, 'tiles', None) is not None:
        shown = 'the tiles of SquareResize'
    return ValueError(
        f'{source}: exported models cannot do {shown} of its transforms; '
        f'expected {_SUPPORTED}'
    )
