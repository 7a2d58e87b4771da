"""Features of images of any kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mmcvgssl.apis.features import FeatureExtractor
from mmcvgssl.apis.image_files import ImageFiles
from mmcvgssl.apis.inference.inputs import Inputs
from mmcvgssl.runner.undisturbed import undisturbed


def extract_features(
    images: Inputs,
    backbone: str | Path = 'package:efficientnet-lite0',
    config: str | Path | None = None,
    size: int | None = None,
    device: str | None = None,
    batch_size: int = 32,
    show_progress: bool = True,
) -> np.ndarray:
    """Compute the features of images.

    Args:
        images: Images: see :class:`~mmcvgssl.apis.AnomalyInspector`.
        backbone: ``'package:NAME'``, the weights of an installed package; a
            checkpoint of a training; or a model file of any kind.
        config: Config of the training, for a checkpoint that holds none.
        size: Side of the images, pixels, by default 224; a model file has
            its own.
        device: Device of the network; by default the GPU, if there is one.
        batch_size: Images that pass the network at once.
        show_progress: Show a bar.

    Returns:
        float32 [n, D], in the order of the images.

    Raises:
        FileNotFoundError: If there is no such file.
        TypeError: If something can be no image.
        UnreadableImageError: If an image cannot be read; names it.
        ValueError: If there is no image, an option is out of range, or the
            backbone is none.

    Example:
        >>> extract_features('test_images', size=64, show_progress=False).shape
        (4, 1280)
    """
    with undisturbed(), ImageFiles() as files:
        paths = files.paths(images)
        extractor = FeatureExtractor(
            *(backbone, config, size, device, batch_size),
            show_progress=show_progress,
        )
        return extractor(paths).of_all()
