"""Detectors on images in tiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import nn

from mmcvgssl.datasets.tiles import TILE_SAMPLE, TILES
from mmcvgssl.maps.joined_boxes import JOINED_IOU
from mmcvgssl.models.anomaly.tiled_images import IN_FLIGHT
from mmcvgssl.models.joined_boxes import join_boxes


def predict_tiled(
    model: nn.Module,
    step: Callable[[dict[str, Any]], Sequence[Any]],
    data: Mapping[str, Any],
) -> list[Any]:
    """Detect in a batch of images, of which some are in tiles.

    Tiles of one image pass the model one by one on a CPU, and some at once
    on an accelerator, so that memory is bounded. Their boxes are joined, see
    :func:`~mmcvgssl.maps.joined_boxes.join_tables`; of an image that is no
    larger than a tile they are those of the image.

    Args:
        model: The detector, whose ``test_cfg`` says which boxes are one.
        step: Its ``test_step`` or ``val_step``.
        data: A batch of a loader, with ``inputs`` [3, H, W] of images, or
            [T, 3, H, W] of tiles, and ``data_samples``.

    Returns:
        A data sample for each image, with ``pred_instances`` in its pixels.
    """
    inputs, samples = data['inputs'], data['data_samples']
    listed = isinstance(inputs, (list, tuple))
    if not listed or all(image.ndim == 3 for image in inputs):
        return list(step(dict(data)))
    here = next(model.parameters()).device.type == 'cpu'
    found: list[Any] = []
    for image, sample in zip(inputs, samples, strict=True):
        grid = sample.get(TILES)
        if image.ndim == 3 or grid is None:
            found += step({'inputs': [image], 'data_samples': [sample]})
            continue
        boxes = []
        for part in image.split(1 if here else IN_FLIGHT):
            made = step(
                {
                    'inputs': list(part),
                    'data_samples': [
                        sample.get(TILE_SAMPLE).clone() for _ in part
                    ],
                }
            )
            boxes += [one.pred_instances.to('cpu') for one in made]
        sample.pred_instances = join_boxes(boxes, grid, _iou(model))
        found.append(sample)
    return found


def _iou(model: Any) -> float:
    """Return the intersection over union from which on boxes are one."""
    test: Any = getattr(getattr(model, 'module', model), 'test_cfg', None)
    options = test or {}
    nms = (options.get('rcnn') or options).get('nms') or {}
    return float(nms.get('iou_threshold', JOINED_IOU))
