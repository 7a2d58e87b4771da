"""Cropping an image and its anomaly map."""

from __future__ import annotations

import mmcv
import numpy as np
from mmpretrain.datasets import RandomCrop

from mmcvgssl.maps.thresholds import halfway, is_anomalous
from mmcvgssl.registry import TRANSFORMS


@TRANSFORMS.register_module()
class MapCrop(RandomCrop):
    """Random crop that shows normal and anomalous regions.

    Source: AGBP of AGSSP, https://arxiv.org/abs/2509.18919. Pixels whose map
    lies above a threshold are one class, the others the other. Crops are
    drawn until none of the classes fills more than ``cat_max_ratio``; if no
    try succeeds, the one closest to it is taken. An image smaller than the
    crop is padded, its map with its least value. Without a map this is
    mmpretrain's ``RandomCrop``.

    **Required keys:** img. **Optional keys:** anomaly_map. **Modified
    keys:** img, img_shape, anomaly_map.

    Args:
        crop_size: Side in pixels, or height and width.
        cat_max_ratio: Largest share of the crop in one class, in [.5, 1].
        threshold: The map threshold, in units of the map; by default halfway
            between the least and the greatest value of the image's map.
        tries: Number of crops to draw at most.
        pad_if_needed: Whether to pad smaller images.
        pad_val: Value that pads the image; one number, or one a channel.
        padding_mode: See ``RandomCrop``; for the image and the map.

    Raises:
        ValueError: If an option is out of range.

    Example:
        >>> crop = TRANSFORMS.build(dict(type='mmcvgssl.MapCrop', crop_size=4))
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> heat = np.zeros((8, 8), np.float32)
        >>> heat[:, 4:] = 1.0
        >>> results = crop(dict(img=image, anomaly_map=heat))
        >>> results['img'].shape, results['anomaly_map'].shape
        ((4, 4, 3), (4, 4))
    """

    moves_map = True

    def __init__(
        self,
        crop_size: int | tuple[int, int],
        cat_max_ratio: float = 0.75,
        threshold: float | None = None,
        tries: int = 10,
        pad_if_needed: bool = True,
        pad_val: float | tuple[float, ...] = 0,
        padding_mode: str = 'constant',
    ) -> None:
        if not 0.5 <= cat_max_ratio <= 1:
            raise ValueError(
                'cat_max_ratio is a share in [0.5, 1], as one of two classes '
                f'fills half of the crop; got {cat_max_ratio}'
            )
        if tries < 1:
            raise ValueError(f'tries must be 1 or more, got {tries}')
        if isinstance(pad_val, int | float):
            pad_val = (
                pad_val,
            ) * 3  # one number would pad the first channel alone
        super().__init__(
            crop_size,
            pad_if_needed=pad_if_needed,
            pad_val=pad_val,
            padding_mode=padding_mode,
        )
        self.cat_max_ratio = cat_max_ratio
        self.threshold = threshold
        self.tries = tries

    def transform(self, results: dict) -> dict:
        """Crop both to one box."""
        if 'anomaly_map' not in results:
            return super().transform(results)
        image = self._pad(results['img'], self.pad_val)
        top, left, results['anomaly_map'] = self.crop_map(
            results['anomaly_map']
        )
        height, width = results['anomaly_map'].shape
        results['img'] = np.ascontiguousarray(
            image[top : top + height, left : left + width]
        )
        results['img_shape'] = results['img'].shape[:2]
        return results

    def crop_map(self, heat: np.ndarray) -> tuple[int, int, np.ndarray]:
        """Crop a map alone.

        Args:
            heat: [H, W].

        Returns:
            Top and left of the crop in the padded map, and the crop.
        """
        threshold = self.threshold
        if threshold is None:
            threshold = halfway(heat)
        heat = self._pad(heat, float(heat.min()))
        box = self._choose(is_anomalous(heat, threshold))
        top, left = (side.start or 0 for side in box)
        return top, left, np.ascontiguousarray(heat[box])

    def padding_of(self, size: tuple[int, int]) -> list[int]:
        """Return the padding above and left of an image of a size."""
        lack = [
            -(-max(0, want - have) // 2)  # of each side, rounded up
            for want, have in zip(self.crop_size, size, strict=False)
        ]
        return lack if self.pad_if_needed else [0, 0]

    def _pad(
        self, image: np.ndarray, value: float | tuple[float, ...]
    ) -> np.ndarray:
        y, x = self.padding_of(image.shape[:2])
        if not (y or x):
            return image
        return mmcv.impad(
            image,
            padding=(x, y, x, y),
            pad_val=value,
            padding_mode=self.padding_mode,
        )

    def _choose(self, anomalous: np.ndarray) -> tuple[slice, slice]:
        """Draw a box whose larger class is small."""
        best, chosen = np.inf, (slice(None), slice(None))
        for _ in range(self.tries):
            y, x, height, width = self.rand_crop_params(anomalous)
            box = slice(y, y + height), slice(x, x + width)
            share = anomalous[box].mean()
            largest = max(share, 1 - share)
            if largest < best:
                best, chosen = largest, box
            if best <= self.cat_max_ratio:
                break
        return chosen

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(crop_size={self.crop_size}, '
            f'cat_max_ratio={self.cat_max_ratio}, '
            f'threshold={self.threshold}, tries={self.tries}, '
            f'pad_if_needed={self.pad_if_needed}, pad_val={self.pad_val}, '
            f'padding_mode={self.padding_mode})'
        )
