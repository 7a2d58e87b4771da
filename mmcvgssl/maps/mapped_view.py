"""One view of an image and its map: the map here, the image on a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from mmcv.transforms import (
    BaseTransform,
    RandomChoiceResize,
    RandomFlip,
    RandomResize,
    Resize,
)
from torch import Tensor

from mmcvgssl.datasets.transforms.draw_views import NUMBERS
from mmcvgssl.datasets.transforms.joint_geometry import (
    JointGeometry,
    same_draws,
)
from mmcvgssl.datasets.views import Canvas, UnknownStepError
from mmcvgssl.datasets.views.steps import (
    Step,
    draw_all,
    paint_all,
    step_of,
)
from mmcvgssl.maps.map_crop import MapCrop
from mmcvgssl.registry import TRANSFORMS

_RESIZES = (RandomChoiceResize, RandomResize, Resize)
_BOX = 6  # height and width of the image, top, left, flips of the crop


class _Geometry(NamedTuple):
    """One resize or none, a crop and flips, in this order."""

    resizes: list[tuple[BaseTransform, BaseTransform]]
    crop: MapCrop
    flips: list[tuple[BaseTransform, BaseTransform]]


class MappedView:
    """The view that ``JointGeometry`` and changes of colours make.

    What the crop shows depends on the map, so the map is resized, cropped and
    flipped where it is loaded, and the image, of which only a crop is looked
    at, on the device.

    Args:
        geometry: Config of ``JointGeometry``: a resize, ``MapCrop``, flips.
        others: Configs of the transforms after it: changes of colours.

    Raises:
        UnknownStepError: If a transform is for the workers alone.

    Example:
        >>> crop = dict(type='mmcvgssl.MapCrop', crop_size=4)
        >>> joint = dict(type='mmcvgssl.JointGeometry', transforms=[crop])
        >>> heat = np.zeros((8, 8), np.float32)
        >>> numbers, cropped = MappedView(joint).draw((8, 8), heat)
        >>> len(numbers), cropped.shape
        (6, (4, 4))
    """

    def __init__(
        self,
        geometry: Mapping[str, Any],
        others: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self._geometry = _parts_of(TRANSFORMS.build(dict(geometry)))
        self._steps: list[Step] = [
            step_of(TRANSFORMS.build(dict(each))) for each in others
        ]

    def draw(
        self, size: tuple[int, int], heat: np.ndarray
    ) -> tuple[list[float], np.ndarray]:
        """Draw what makes the view of an image, and make that of its map.

        Args:
            size: Height and width of the image.
            heat: Its map, of this size.

        Returns:
            The numbers, and the map [h, w].
        """
        resizes, crop, flips = self._geometry
        for step, twin in resizes:
            with same_draws():
                heat = twin({'img': heat, 'img_shape': heat.shape})['img']
            size = step({'img': np.empty(size, np.uint8)})['img'].shape
        above, before = crop.padding_of(size)
        top, left, heat = crop.crop_map(heat)
        turned = [False, False]
        for step, twin in flips:
            with same_draws():
                heat = twin({'img': heat, 'img_shape': heat.shape})['img']
            way = step._choose_direction() or ''
            turned[0] ^= way in ('vertical', 'diagonal')
            turned[1] ^= way in ('horizontal', 'diagonal')
        box = [*size, top - above, left - before, *turned]
        return [*map(float, box), *draw_all(self._steps)], heat

    def paint(self, canvas: Canvas, values: Tensor) -> Tensor:
        """Make the views of a batch.

        Args:
            canvas: The images, BGR.
            values: What was drawn for each [N, numbers].

        Returns:
            float32 [N, 3, h, w] in [0, 255].
        """
        crop = self._geometry.crop
        sides = values[:, :_BOX].float().view(-1, 3, 2).unbind(2)
        axes = [
            _along(side, canvas.sizes[:, i].to(values), crop.crop_size[i])
            for i, side in enumerate(sides)
        ]
        images = canvas.at(axes[0][0], axes[1][0])
        inside = axes[0][1][:, :, None] & axes[1][1][:, None, :]
        padding = images.new_tensor(crop.pad_val).view(1, -1, 1, 1)
        images = torch.where(inside[:, None], images, padding)
        return paint_all(self._steps, images, values[:, _BOX:])


def _along(drawn: Tensor, length: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return where pixels of a view lie along an axis of the image.

    Args:
        drawn: Length of the resized image, start of the crop in it, and
            whether it is turned [N, 3].
        length: Length of the image [N].
        count: Length of the view.

    Returns:
        Positions in the image, and whether they are in it at all, [N, count].
    """
    resized, start, turned = drawn.unbind(1)
    steps = torch.arange(count, device=drawn.device, dtype=torch.float32)
    steps = torch.where(turned[:, None] > 0, count - 1 - steps, steps)
    at = start[:, None] + steps
    inside = (at >= 0) & (at < resized[:, None])
    inner = (at + 0.5) * (length / resized)[:, None] - 0.5
    return inner.clamp(min=0).minimum(length[:, None] - 1), inside


def _parts_of(joint: JointGeometry) -> _Geometry:
    """Take the steps of a geometry apart.

    Raises:
        UnknownStepError: If they are others, or in another order.
    """
    pairs: list[tuple[Any, Any]] = list(joint.steps)
    crops = [i for i, (step, _) in enumerate(pairs) if _is_crop(step)]
    at = crops[0] if len(crops) == 1 else len(pairs)
    resizes, flips = pairs[:at], pairs[at + 1 :]
    usual = (
        len(crops) == 1
        and len(resizes) <= 1
        and all(isinstance(step, _RESIZES) for step, _ in resizes)
        and all(type(step) is RandomFlip for step, _ in flips)
    )
    if not usual:
        raise UnknownStepError(
            'the device moves images as their maps by one resize, then one '
            'MapCrop that pads with a constant, then flips: got '
            f'{[type(step).__name__ for step, _ in pairs]}'
        )
    for step, _ in resizes:
        own = getattr(step, 'resize', step)
        if getattr(own, 'interpolation', 'bilinear') != 'bilinear':
            raise UnknownStepError(
                f'interpolation={own.interpolation!r} is not for the device: '
                "expected 'bilinear'"
            )
    return _Geometry(resizes, pairs[at][0], flips)


def _is_crop(step: BaseTransform) -> bool:
    return (
        type(step) is MapCrop
        and step.pad_if_needed
        and step.padding_mode == 'constant'
    )


@TRANSFORMS.register_module()
class DrawMappedView(BaseTransform):
    """Draw what makes the view of an image, and make that of its map.

    :class:`mmcvgssl.models.MappedViewPreprocessor` makes the views of a batch
    of it. ``views=device`` of a config puts the two in place of
    ``JointGeometry`` and what follows it.

    **Required keys:** img, anomaly_map. **Modified keys:** anomaly_map.
    **Added keys:** view_numbers, float32 tensor.

    Args:
        geometry: Config of ``JointGeometry``.
        others: Configs of the transforms after it, changes of colours.

    Raises:
        mmcvgssl.datasets.views.UnknownStepError: If a transform is for the
            workers alone.

    Example:
        >>> crop = dict(type='mmcvgssl.MapCrop', crop_size=4)
        >>> joint = dict(type='mmcvgssl.JointGeometry', transforms=[crop])
        >>> draw = DrawMappedView(joint)
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> heat = np.zeros((8, 8), np.float32)
        >>> drawn = draw(dict(img=image, anomaly_map=heat))
        >>> drawn['img'].shape, drawn['anomaly_map'].shape
        ((8, 8, 3), (4, 4))
    """

    def __init__(
        self,
        geometry: Mapping[str, Any],
        others: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        self.view = MappedView(geometry, others)

    def transform(self, results: dict) -> dict:
        """Draw the numbers, and crop the map."""
        numbers, heat = self.view.draw(
            results['img'].shape[:2], results['anomaly_map']
        )
        results['anomaly_map'] = np.ascontiguousarray(heat)
        results[NUMBERS] = torch.tensor(numbers, dtype=torch.float32)
        return results
