"""Tests of anomaly models: good images against defective ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mmengine.config import Config, ConfigDict

from mmcvgssl.apis.testing.kind import (
    KindOfTest,
    has_boxes,
    refuse_root,
    split_steps,
)

_LABELS: Sequence[Mapping[str, Any]] = (
    dict(type='mmcvgssl.LoadMask'),
    dict(
        type='mmpretrain.PackInputs',
        algorithm_keys=('gt_mask',),
        meta_keys=(
            *('sample_idx', 'img_path', 'ori_shape', 'category', 'defect'),
            'mask_path',
        ),
    ),
)


class AnomalyTest(KindOfTest):
    """Scores and maps of good and of defective images."""

    expected: ClassVar[str] = (
        'test_dataloader with good and defective images, as in configs/anomaly'
    )

    def on_images(
        self, cfg: Config, images: str | Path, root: str | Path | None
    ) -> None:
        """Test on class folders, good images in one that is called so."""
        refuse_root(root)
        cfg.test_dataloader.dataset = ConfigDict(
            type='mmcvgssl.OneClassDataset',
            data_root=str(images),
            split='test',
            pipeline=merged_steps(self.steps, _LABELS),
        )
        cfg.test_evaluator = ConfigDict(type='mmcvgssl.AnomalyMetric')

    def on_config(self, cfg: Config) -> None:
        """Read masks and labels as the config says, images as the file."""
        for node, _ in self.sets(cfg):
            node['pipeline'] = merged_steps(self.steps, node['pipeline'])

    def takes(self, data_set: type) -> bool:
        """Whether a data set has no boxes."""
        return not has_boxes(data_set)


def merged_steps(
    ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]
) -> list[ConfigDict]:
    """Put the labels' steps of a test among the steps of a model file.

    Args:
        ours: Steps of the model file, which read, resize and pack.
        theirs: Steps of the test.

    Example:
        >>> ours = [dict(type='LoadImage'), dict(type='Resize')]
        >>> ours += [dict(type='PackInputs')]
        >>> theirs = [dict(type='LoadImage'), dict(type='LoadMask')]
        >>> theirs += [dict(type='PackInputs', meta_keys=('img_path',))]
        >>> [s['type'] for s in merged_steps(ours, theirs)]
        ['LoadImage', 'LoadMask', 'Resize', 'PackInputs']
    """
    _, masks, packing = split_steps(theirs, 'LoadMask')
    (first, *others), _, _ = split_steps(ours, 'LoadMask')
    return [ConfigDict(s) for s in (first, *masks, *others, *packing)]
