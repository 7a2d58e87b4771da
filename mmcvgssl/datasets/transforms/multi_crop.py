"""Several crops of one decoded image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmcv.transforms import BaseTransform, Compose

from mmcvgssl.datasets.transforms.joint_geometry import joint, loses_map
from mmcvgssl.registry import TRANSFORMS

# scale ranges of the crops in the method's description
CROP_SCALES = ((0.2, 1.0), (0.172, 0.86), (0.143, 0.715), (0.114, 0.571))


@TRANSFORMS.register_module()
class MultiCrop(BaseTransform):
    """One weak view and any number of crops, each with its own range.

    Source: "CLIP-Vision Guided Few-Shot Metal Surface Defect Recognition".

    An anomaly map follows the crop of the weak view, and those of its other
    transforms that :class:`JointGeometry` takes, as flips.

    **Required keys:** img. **Optional keys:** anomaly_map. **Modified
    keys:** img becomes a list of views, the weak one first; anomaly_map
    becomes that of the weak view.

    Args:
        view_size: Side of the views in pixels.
        weak_scale: Range of area of the weak view's random resized crop; None:
            it is the whole image, whose aspect ratio may change.
        crop_scales: One range of area per crop; may be empty.
        crop_size: Side of the crops in pixels; one number or one per crop;
            ``view_size`` by default.
        weak_transforms: Transforms after the weak crop.
        crop_transforms: Transforms after the other crops.
        aspect_ratio: Range of width over height of all crops.
        interpolation: Interpolation of the resize after a crop.

    Raises:
        ValueError: If a range or a size makes no sense, or a map cannot
            follow the weak view.

    Example:
        >>> import numpy as np
        >>> crops = TRANSFORMS.build(
        ...     dict(type='mmcvgssl.MultiCrop', view_size=32, crop_size=16)
        ... )
        >>> results = crops(dict(img=np.zeros((64, 64, 3), np.uint8)))
        >>> [view.shape for view in results['img']][:2]
        [(32, 32, 3), (16, 16, 3)]
    """

    def __init__(
        self,
        view_size: int,
        weak_scale: Sequence[float] | None = (0.08, 1.0),
        crop_scales: Sequence[Sequence[float]] = CROP_SCALES,
        crop_size: int | Sequence[int] | None = None,
        weak_transforms: Sequence[dict] = (),
        crop_transforms: Sequence[dict] = (),
        aspect_ratio: Sequence[float] = (3 / 4, 4 / 3),
        interpolation: str = 'bilinear',
    ) -> None:
        crops = list(crop_scales)
        if crop_size is None or isinstance(crop_size, int):
            sizes = [crop_size or view_size] * len(crops)
        else:
            sizes = list(crop_size)
        if len(sizes) != len(crops):
            raise ValueError(
                f'crop_size must be one number or {len(crops)} numbers, one '
                f'per range in crop_scales; got {crop_size}'
            )
        self.views: list[Compose] = []
        self.steps: list[list[BaseTransform]] = []  # of each view
        for side, scale, after in zip(
            [view_size, *sizes],
            [weak_scale, *crops],
            [weak_transforms] + [crop_transforms] * len(crops),
            strict=True,
        ):
            low, high = scale or (1.0, 1.0)
            if side < 1 or not 0 < low <= high <= 1:
                raise ValueError(
                    'a view needs a side of at least 1 pixel and a range of '
                    f'area within (0, 1], got side {side}, range {scale}'
                )
            crop: dict[str, Any] = dict(
                type='mmpretrain.RandomResizedCrop',
                scale=side,
                crop_ratio_range=(low, high),
                aspect_ratio_range=tuple(aspect_ratio),
                interpolation=interpolation,
            )
            if scale is None:
                crop = dict(
                    type='mmengine.Resize',
                    scale=(side, side),
                    interpolation=interpolation,
                )
            steps = [TRANSFORMS.build(t) for t in [crop, *after]]
            self.steps.append(steps)
            if not self.views:
                self.unfit = [t for t in steps if loses_map(t)]
                steps = [joint(t) for t in steps]
            self.views.append(Compose(steps))

    def transform(self, results: dict) -> dict:
        """Make the views; a crop never writes into the image it reads."""
        heat = results.pop('anomaly_map', None)
        inputs = [dict(results) for _ in self.views]
        if heat is not None:
            if self.unfit:
                raise ValueError(
                    'the anomaly map cannot follow these weak_transforms: '
                    f'{self.unfit}; leave them out, or use those that '
                    'mmcvgssl.JointGeometry takes'
                )
            inputs[0]['anomaly_map'] = heat
        views = [view(x) for view, x in zip(self.views, inputs, strict=True)]
        results['img'] = [view['img'] for view in views]
        if heat is not None:
            results['anomaly_map'] = views[0]['anomaly_map']
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.views})'
