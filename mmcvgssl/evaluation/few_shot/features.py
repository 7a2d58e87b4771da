"""Images and features for the few-shot protocols."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from mmengine.dataset import default_collate
from torch import Tensor, nn
from torch.utils.data import DataLoader

from mmcvgssl.datasets import SurfaceImages
from mmcvgssl.progress import progress_bar
from mmcvgssl.provenance import of_file
from mmcvgssl.registry import DATASETS

Network = TypeVar('Network', bound=nn.Module)


def build_labelled(
    cfg: dict, steps: Sequence[dict[str, Any]]
) -> SurfaceImages:
    """Build a labelled data set that yields RGB images of one size.

    Args:
        cfg: Data set config without a pipeline.
        steps: Result of :func:`input_steps`.
    """
    return DATASETS.build({**cfg, 'test_mode': True, 'pipeline': [*steps]})


def input_steps(
    size: tuple[int, int],
    interpolation: str = 'bilinear',
    reading: dict | None = None,
) -> list[dict[str, Any]]:
    """Return transforms from a path to an image of one size.

    Args:
        size: Height and width in pixels; the aspect ratio may change.
        interpolation: Interpolation of the resize.
        reading: Options of ``LoadImage``.
    """
    return [
        dict(type='mmcvgssl.LoadImage', **(reading or {})),
        dict(
            type='mmengine.Resize',
            scale=tuple(size[::-1]),
            interpolation=interpolation,
        ),
        dict(type='mmpretrain.PackInputs', meta_keys=('img_path',)),
    ]


def labels_of(data_set: SurfaceImages) -> np.ndarray:
    """Return the class index of each image [N]."""
    return np.array([int(i) for i in data_set.get_gt_labels()])


def paths_of(data_set: SurfaceImages) -> list[str]:
    """Return the path of each image."""
    return [
        data_set.get_data_info(i)['img_path'] for i in range(len(data_set))
    ]


def as_encoder(
    network: Network, device: torch.device | None = None
) -> Network:
    """Bring a network to a device, in the memory layout of all features.

    Depthwise convolutions on CPUs take half the time in it; another one rounds
    otherwise, so that a fit and its evaluation would differ.

    Args:
        network: Changed in place.
        device: Where it will compute; None: where it is.
    """
    if device is not None:
        network.to(device)
    return network.to(memory_format=torch.channels_last)


def to_unit_rgb(batch: Tensor) -> Tensor:
    """Turn BGR uint8 [N, 3, H, W] into RGB floats in [0, 1]."""
    batch = batch.contiguous(memory_format=torch.channels_last)
    return batch.flip(1).float() / 255


class Rows:
    """Features as they come, in one array: joining parts would take two.

    Args:
        most: Number of images, of which some may have none.

    Example:
        >>> rows = Rows(9)
        >>> rows.add(np.ones((2, 4), np.float32))
        >>> rows.all().shape
        (2, 4)
    """

    def __init__(self, most: int) -> None:
        self._most, self._count = most, 0
        self._rows = np.zeros((0, 0), np.float32)

    def add(self, part: np.ndarray) -> None:
        """Add features of the next images, float32 [n, D]."""
        if not self._count:
            self._rows = np.empty((self._most, part.shape[1]), np.float32)
        end = self._count + len(part)
        self._rows[self._count : end] = part
        self._count = end

    def all(self) -> np.ndarray:
        """Return the features of all images, float32 [n, D]."""
        return self._rows[: self._count]


@torch.no_grad()
def extract(
    encode: Callable[[Tensor], Tensor],
    data_set: SurfaceImages,
    device: torch.device,
    batch_size: int = 64,
    workers: int = 0,
    title: str = 'features',
) -> np.ndarray:
    """Run an encoder over a data set.

    Args:
        encode: RGB [N, 3, H, W] in [0, 1] to features [N, D].
        data_set: Result of :func:`build_labelled`.

    Returns:
        float32 [N, D].
    """
    loader: DataLoader = DataLoader(
        data_set,
        batch_size=batch_size,
        num_workers=workers,
        collate_fn=default_collate,
    )
    rows = Rows(len(data_set))
    for batch in progress_bar(loader, desc=title, unit='batch', leave=False):
        found = encode(to_unit_rgb(batch['inputs'].to(device)))
        rows.add(found.float().cpu().numpy())
    return rows.all()


def load_images(data_set: SurfaceImages, indices: np.ndarray) -> Tensor:
    """Return the images of these indices, RGB [N, 3, H, W] in [0, 1]."""
    batch = [data_set[int(i)]['inputs'] for i in indices]
    return to_unit_rgb(torch.stack(batch))


def listed(data_set: SurfaceImages) -> dict[str, str]:
    """Name the list, or the folder, that images come from."""
    file = data_set.ann_file
    if file:
        return {'file': str(file), 'content': of_file(file)}
    return {'folder': str(data_set.img_prefix or data_set.data_root)}
