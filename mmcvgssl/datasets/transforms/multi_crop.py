"""Several crops of one decoded image."""

from __future__ import annotations

from collections.abc import Sequence

from mmcv.transforms import BaseTransform, Compose

from mmcvgssl.registry import TRANSFORMS

# scale ranges of the crops in the method's description
CROP_SCALES = ((0.2, 1.0), (0.172, 0.86), (0.143, 0.715), (0.114, 0.571))


@TRANSFORMS.register_module()
class MultiCrop(BaseTransform):
    """One weak view and any number of crops, each with its own range.

    Source: "CLIP-Vision Guided Few-Shot Metal Surface Defect Recognition".

    **Required keys:** img. **Modified keys:** img becomes a list of views,
    the weak one first.

    Args:
        view_size: Side of the views in pixels.
        weak_scale: Range of area of the weak view's random resized crop.
        crop_scales: One range of area per crop; may be empty.
        crop_size: Side of the crops in pixels; one number or one per crop;
            ``view_size`` by default.
        weak_transforms: What follows the weak crop.
        crop_transforms: What follows the other crops.
        aspect_ratio: Range of width over height of all crops.
        interpolation: Of the resize after a crop.

    Raises:
        ValueError: If a range or a size makes no sense.
    """

    def __init__(
        self,
        view_size: int,
        weak_scale: Sequence[float] = (0.08, 1.0),
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
        self.views = []
        for side, scale, after in zip(
            [view_size, *sizes],
            [weak_scale, *crops],
            [weak_transforms] + [crop_transforms] * len(crops),
            strict=True,
        ):
            if side < 1 or not 0 < scale[0] <= scale[1] <= 1:
                raise ValueError(
                    'a view needs a side of at least 1 pixel and a range of '
                    f'area within (0, 1], got side {side}, range {scale}'
                )
            crop = dict(
                type='mmpretrain.RandomResizedCrop',
                scale=side,
                crop_ratio_range=tuple(scale),
                aspect_ratio_range=tuple(aspect_ratio),
                interpolation=interpolation,
            )
            self.views.append(
                Compose([TRANSFORMS.build(t) for t in [crop, *after]])
            )

    def transform(self, results: dict) -> dict:
        """Make the views; a crop never writes into the image it reads."""
        image = results['img']
        results['img'] = [
            view({**results, 'img': image})['img'] for view in self.views
        ]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({self.views})'
