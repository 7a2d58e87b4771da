"""Moving an image and its anomaly map together."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy

import numpy as np
import torch
from mmcv.transforms import (
    BaseTransform,
    CenterCrop,
    Pad,
    RandomApply,
    RandomChoice,
    RandomChoiceResize,
    RandomFlip,
    RandomResize,
    Resize,
)
from mmpretrain.datasets import transforms as host

from mmcvgssl.registry import TRANSFORMS

# transforms that move an image and a map of its size in the same way
GEOMETRY = (
    CenterCrop,
    RandomChoiceResize,
    RandomFlip,
    RandomResize,
    Resize,
    host.RandomResizedCrop,
    host.ResizeEdge,
)
# transforms that move pixels of the image and fill gaps with colours
IMAGE_ONLY = (
    Pad,
    RandomApply,
    RandomChoice,
    host.Albumentations,
    host.RandAugment,
    host.RandomCrop,
    host.Rotate,
    host.Shear,
    host.Translate,
)


@TRANSFORMS.register_module()
class JointGeometry(BaseTransform):
    """Geometric transforms of the hosts, for the image and its map.

    A transform meets image and map with the same random numbers; the map is
    resized bilinearly, whatever the image's interpolation. Without a map the
    image alone is transformed, in the same way.

    **Required keys:** img. **Optional keys:** anomaly_map (float32 [H, W],
    of the image's size). **Modified keys:** img, anomaly_map and what the
    transforms modify.

    Args:
        transforms: Resizes, flips and crops: mmcv's ``Resize``,
            ``RandomResize``, ``RandomChoiceResize``, ``RandomFlip`` and
            ``CenterCrop``, mmpretrain's ``RandomResizedCrop`` and
            ``ResizeEdge``, what is derived from them, and ``MapCrop``.

    Raises:
        ValueError: If there is another transform, or the map has another
            size than the image.

    Example:
        >>> joint = TRANSFORMS.build(
        ...     dict(
        ...         type='mmcvgssl.JointGeometry',
        ...         transforms=[dict(type='mmcv.Resize', scale=(16, 16))],
        ...     )
        ... )
        >>> image = np.zeros((8, 8, 3), np.uint8)
        >>> heat = np.zeros((8, 8), np.float32)
        >>> results = joint(dict(img=image, anomaly_map=heat))
        >>> results['img'].shape, results['anomaly_map'].shape
        ((16, 16, 3), (16, 16))
    """

    def __init__(self, transforms: Sequence[dict | BaseTransform]) -> None:
        self.steps: list[tuple[BaseTransform, BaseTransform | None]] = []
        for given in transforms:
            step = given
            if isinstance(given, dict):
                step = TRANSFORMS.build(given)
            self.steps.append((step, _for_map(step)))

    def transform(self, results: dict) -> dict:
        """Transform ``img`` and, if there is one, ``anomaly_map``."""
        for step, twin in self.steps:
            moved = None
            if 'anomaly_map' in results:
                heat, shape = results['anomaly_map'], results['img'].shape[:2]
                _check_size(heat.shape, shape)
                if twin is not None:
                    with same_draws():
                        moved = twin({'img': heat, 'img_shape': shape})['img']
            results = step(results)
            if moved is not None:
                results['anomaly_map'] = moved
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}({[step for step, _ in self.steps]})'


def joint(step: BaseTransform) -> BaseTransform:
    """Let a transform move the map, too, if it is a geometric one."""
    if isinstance(step, GEOMETRY) or moves_map(step):
        return JointGeometry([step])
    return step


def loses_map(step: BaseTransform) -> bool:
    """Whether a transform may move pixels in a way that a map cannot go."""
    return isinstance(step, IMAGE_ONLY) and not moves_map(step)


def moves_map(step: BaseTransform) -> bool:
    """Whether a transform moves the map itself, as ``MapCrop`` does.

    Its class says so by an attribute ``moves_map = True``.
    """
    return getattr(step, 'moves_map', False)


@contextmanager
def same_draws() -> Iterator[None]:
    """Let what follows the block draw the random numbers that it has drawn."""
    python, torch_state = random.getstate(), torch.get_rng_state()
    numpy_state = np.random.get_state()
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy_state)
        torch.set_rng_state(torch_state)


def _check_size(found: tuple[int, ...], expected: tuple[int, ...]) -> None:
    if found != expected:
        raise ValueError(
            f'the anomaly map is {list(found)} and its image '
            f'{list(expected)}; put what resizes or crops them into '
            'mmcvgssl.JointGeometry'
        )


def _for_map(step: BaseTransform) -> BaseTransform | None:
    """Copy a transform for maps; None if it takes care of them itself."""
    if moves_map(step):
        return None
    padded = isinstance(step, CenterCrop) and step.auto_pad
    if not isinstance(step, GEOMETRY) or padded:
        raise ValueError(
            f'JointGeometry cannot move a map by {step}; expected one of '
            f'{", ".join(kind.__name__ for kind in GEOMETRY)} (without '
            'padding) or mmcvgssl.MapCrop'
        )
    twin = deepcopy(step)
    for part in (twin, getattr(twin, 'resize', twin)):
        if hasattr(part, 'interpolation'):
            part.interpolation, part.backend = 'bilinear', 'cv2'
    return twin
