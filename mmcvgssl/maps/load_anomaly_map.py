"""Reading anomaly maps and passing them on."""

from __future__ import annotations

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmpretrain.datasets import PackInputs

from mmcvgssl.maps.file import read_map
from mmcvgssl.maps.geometry import resize_map
from mmcvgssl.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadAnomalyMap(BaseTransform):
    """Load the anomaly map of an image, at the size of the image.

    It is upsampled as everywhere, see :func:`mmcvgssl.maps.resize_map`.

    **Required keys:** img (as read from the file), map_path. **Optional
    keys:** map_size, height and width of the image that the map was made
    of; map_digest, of the map's file. **Added keys:** anomaly_map (float32
    [H, W]).

    Raises:
        FileNotFoundError: If the map is missing.
        ValueError: If it cannot be read, was made of an image of another
            size, or the image has already been resized or flipped.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> image = np.zeros((32, 48, 3), np.uint8)
        >>> with TemporaryDirectory() as folder:
        ...     np.save(f'{folder}/1.npy', np.zeros((4, 6), np.float16))
        ...     results = LoadAnomalyMap()(
        ...         dict(img=image, map_path=f'{folder}/1.npy')
        ...     )
        >>> results['anomaly_map'].shape, results['anomaly_map'].dtype
        ((32, 48), dtype('float32'))
    """

    def transform(self, results: dict) -> dict:
        """Read ``results['map_path']``."""
        if 'map_path' not in results:
            raise ValueError(
                'LoadAnomalyMap needs map_path; use mmcvgssl.AnomalyMapDataset'
            )
        size = tuple(results['img'].shape[:2])
        if size != tuple(results.get('ori_shape', size)) or results.get(
            'flip'
        ):
            raise ValueError(
                'LoadAnomalyMap must follow the loading of the image, before '
                'it is resized, cropped or flipped'
            )
        made_of = tuple(results.get('map_size', size))
        if made_of != size:
            raise ValueError(
                f'{results.get("img_path", "the image")} has {size[0]} x '
                f'{size[1]} pixels, its map {results["map_path"]} was made of '
                f'{made_of[0]} x {made_of[1]}; make the maps with '
                'mmcvgssl maps'
            )
        heat = read_map(results['map_path'], results.get('map_digest', ''))
        results['anomaly_map'] = resize_map(heat, size)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


@TRANSFORMS.register_module()
class PackInputsWithMap(PackInputs):
    """mmpretrain's ``PackInputs`` that passes the anomaly map on.

    The data sample's ``anomaly_map`` is a float32 tensor [1, H, W].

    **Required keys:** img, anomaly_map. **Deleted keys:** all others that
    are not asked for.

    Args:
        **kwargs: Options of ``PackInputs``.

    Example:
        >>> pack = PackInputsWithMap(meta_keys=())
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> heat = np.zeros((8, 8), np.float32)
        >>> packed = pack(dict(img=image, anomaly_map=heat))
        >>> packed['data_samples'].anomaly_map.shape
        torch.Size([1, 8, 8])
    """

    def transform(self, results: dict) -> dict:
        """Pack image, map, label and what else is asked for."""
        if 'anomaly_map' not in results:
            raise ValueError(
                'PackInputsWithMap needs anomaly_map; put '
                'mmcvgssl.LoadAnomalyMap after the loading of the image'
            )
        packed = super().transform(results)
        heat = np.ascontiguousarray(results['anomaly_map'], dtype=np.float32)
        packed['data_samples'].set_field(
            torch.from_numpy(heat)[None], 'anomaly_map'
        )
        return packed
