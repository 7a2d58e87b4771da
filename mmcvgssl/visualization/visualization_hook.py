"""Pictures of tested images, and of the first images of a training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmcvgssl.datasets.reading import read_image
from mmcvgssl.datasets.tiles import TILES
from mmcvgssl.datasets.transforms.load_image import reading_options
from mmcvgssl.datasets.wrapped import inner_sets
from mmcvgssl.registry import HOOKS
from mmcvgssl.utils import check_least
from mmcvgssl.visualization.fed_picture import fed_picture


@HOOKS.register_module()
class VisualizationHook(Hook):
    """Have the runner's visualizer draw what a network is fed with.

    For :class:`AnomalyVisualizer` and :class:`ViewsVisualizer`; for detectors
    and classifiers the hosts have hooks of their own.

    Args:
        interval: Of so many tested or validated images one is drawn.
        train_images: Images of the first batch of a training that are drawn.

    Raises:
        ValueError: If an option is too small.

    Example:
        >>> HOOKS.build(dict(type='mmcvgssl.VisualizationHook')).interval
        50
    """

    priority = 'NORMAL'

    def __init__(self, interval: int = 50, train_images: int = 4) -> None:
        check_least(interval=(interval, 1), train_images=(train_images, 0))
        self.interval, self.train_images = interval, train_images
        self._seen = 0

    def before_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None
    ) -> None:
        """Draw images of the first batch as the network gets them."""
        if runner.iter or data_batch is None:
            return
        inputs, samples = data_batch['inputs'], data_batch['data_samples']
        for i, sample in list(enumerate(samples))[: self.train_images]:
            picture = fed_pictures(_of_image(inputs, i))
            runner.visualizer.add_datasample(
                f'train_{i:02d}_{_stem(sample)}', picture, sample
            )

    def before_val_epoch(self, runner: Runner) -> None:
        """Count anew."""
        self._seen = 0

    before_test_epoch = before_val_epoch

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Draw some of the images with what the model says of them."""
        self._draw(runner, 'val', data_batch, outputs or ())

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Any = None,
        outputs: Any = None,
    ) -> None:
        """Draw some of the images with what the model says of them."""
        self._draw(runner, 'test', data_batch, outputs or ())

    def _draw(
        self, runner: Runner, part: str, data_batch: Any, outputs: Any
    ) -> None:
        model = getattr(runner.model, 'module', runner.model)
        for i, sample in enumerate(outputs):
            number, self._seen = self._seen, self._seen + 1
            if number % self.interval:
                continue
            middle = getattr(model, 'map_threshold', None)
            if middle is not None:
                sample.set_metainfo({'map_threshold': float(middle)})
            if sample.get(TILES) is None:
                picture = fed_pictures(_of_image(data_batch['inputs'], i))
            else:
                loader = getattr(runner, f'{part}_dataloader')
                picture = _whole(sample.img_path, loader.dataset)
            runner.visualizer.add_datasample(
                f'{part}_{number:05d}_{_stem(sample)}',
                picture,
                sample,
                step=runner.iter,
            )


def fed_pictures(
    inputs: torch.Tensor | Sequence[torch.Tensor],
) -> np.ndarray | list[np.ndarray]:
    """Return the picture of an image, or those of its views.

    Args:
        inputs: [C, H, W]; or views of it, a sequence or [V, C, H, W].

    Returns:
        RGB uint8 [H, W, 3] each.
    """
    if isinstance(inputs, torch.Tensor) and inputs.ndim == 3:
        return fed_picture(inputs)
    return [fed_picture(view) for view in inputs]


def _of_image(inputs: Any, index: int) -> Any:
    """Take an image out of a batch, whatever has collated it.

    Views of a batch are a list of tensors [N, C, H, W].
    """
    if isinstance(inputs, (list, tuple)) and inputs[0].ndim == 4:
        return [views[index] for views in inputs]
    return inputs[index]


def _whole(path: str, data_set: Any) -> np.ndarray:
    """Return the image that a map is of, where it was fed in tiles."""
    pipelines = (getattr(s, 'pipeline', None) for s in inner_sets(data_set))
    reading = reading_options(p for p in pipelines if p is not None)
    return np.ascontiguousarray(read_image(path, **reading)[..., ::-1])


def _stem(sample: Any) -> str:
    return Path(str(getattr(sample, 'img_path', 'image'))).stem
