"""Tests of detectors: boxes against those of a COCO file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar

from mmengine.config import Config, ConfigDict
from mmengine.logging import MMLogger

from mmcvgssl.apis.testing.kind import (
    KindOfTest,
    check_classes,
    has_boxes,
    split_steps,
    with_meta,
)
from mmcvgssl.datasets.coco_check import check_coco
from mmcvgssl.datasets.tiles import cut_steps, uncut_steps
from mmcvgssl.utils import printable

# the truth comes with the samples, as in the configs of detectors
_METRIC = dict(
    type='mmdet.CocoMetric', metric='bbox', ann_file=None, classwise=True
)
_LABELS = (
    dict(type='mmdet.LoadAnnotations', with_bbox=True),
    # what the metrics look at
    dict(
        type='mmdet.PackDetInputs',
        meta_keys=('img_id', 'instances'),
    ),
)


class BoxTest(KindOfTest):
    """Average precision of boxes, of each class and of all."""

    # as for predictions: in a batch, others change the padding
    batch_size: ClassVar[int] = 1
    expected: ClassVar[str] = (
        'test_dataloader with boxes, as in configs/detection'
    )

    @property
    def scope(self) -> str:
        """The scope of the detector's names."""
        return str(self.content.model.get('_scope_', 'mmdet'))

    def on_images(
        self, cfg: Config, images: str | Path, root: str | Path | None
    ) -> None:
        """Test on a COCO file, or on a folder that holds one."""
        file, folder = find_coco(images, root)
        names = tuple(check_coco(file).boxes)
        check_classes(names, self.content.classes, self.source, str(file))
        cfg.test_dataloader.dataset = ConfigDict(
            type='mmdet.CocoDataset',
            ann_file=str(file.resolve()),
            data_prefix=dict(img=str(folder.resolve())),
            metainfo=dict(classes=names),
            test_mode=True,
            pipeline=merged_steps(self.steps, _LABELS),
        )
        cfg.test_evaluator = ConfigDict(_METRIC)

    def on_config(self, cfg: Config) -> None:
        """Read boxes as the config says, images as the file."""
        for node, _ in self.sets(cfg):
            given = (node.get('metainfo') or {}).get('classes')
            if isinstance(given, (list, tuple)):
                where = 'the config'
                check_classes(given, self.content.classes, self.source, where)
            if node.get('batch_shapes_cfg'):
                MMLogger.get_current_instance().warning(
                    'batch_shapes_cfg of the config is left out: images are '
                    f'padded as {self.source} says'
                )
                node['batch_shapes_cfg'] = None
            node['pipeline'] = merged_steps(self.steps, node['pipeline'])

    def takes(self, data_set: type) -> bool:
        """Whether a data set has boxes."""
        return has_boxes(data_set)

    def classes_of(self, built: Any) -> Sequence[str] | None:
        """Return the names that a box's label stands for."""
        return built.metainfo.get('classes')


def find_coco(
    images: str | Path, root: str | Path | None = None
) -> tuple[Path, Path]:
    """Find a COCO file, and the folder that its names are relative to.

    Args:
        images: The file, or a folder that holds it and no other.
        root: The folder; by default that of the file.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If there are several.
    """
    path = Path(images)
    file = path
    if path.is_dir():
        found = sorted(path.glob('*.json'))
        if len(found) != 1:
            names = ', '.join(printable(file.name) for file in found)
            raise ValueError(
                f'{path}: expected one COCO file, NAME.json, in this folder, '
                f'got {names or "none"}: name the file itself, and by --root '
                'the folder that its images are relative to'
            )
        file = found[0]
    if not file.is_file():
        raise FileNotFoundError(
            'expected a COCO file, or a folder that holds one beside its '
            f'images, found no {printable(str(path))}'
        )
    folder = file.parent if root is None else Path(root)
    if not folder.is_dir():
        raise FileNotFoundError(f'--root: no folder {printable(str(folder))}')
    return file, folder


def merged_steps(
    ours: Sequence[Mapping[str, Any]], theirs: Sequence[Mapping[str, Any]]
) -> list[ConfigDict]:
    """Load boxes as a test does, and all else as a model file says.

    Args:
        ours: Steps of the model file, which read, resize and pack.
        theirs: Steps of the test.

    Example:
        >>> ours = [dict(type='LoadImage'), dict(type='Resize')]
        >>> ours += [dict(type='PackDetInputs', meta_keys=('img_id',))]
        >>> theirs = [dict(type='LoadAnnotations')]
        >>> theirs += [dict(type='PackDetInputs', meta_keys=('instances',))]
        >>> made = merged_steps(ours, theirs)
        >>> [step['type'] for step in made]
        ['LoadImage', 'Resize', 'LoadAnnotations', 'PackDetInputs']
        >>> made[-1]['meta_keys']
        ('img_id', 'img_path', 'ori_shape', 'instances')
    """
    whole, _ = uncut_steps(theirs)
    own_steps, tiles = uncut_steps(ours)
    _, labels, their_packing = split_steps(whole, 'LoadAnnotations')
    reading, _, packing = split_steps(own_steps, 'LoadAnnotations')
    made = [ConfigDict(step) for step in (*reading, *labels, *packing)]
    more = [k for step in their_packing for k in step.get('meta_keys') or ()]
    made[-1] = ConfigDict(with_meta(made[-1], _default_keys(), *more))
    if tiles is None:
        return made
    return [ConfigDict(step) for step in cut_steps(made, *tiles)]


def _default_keys() -> Sequence[str]:
    from mmdet.datasets.transforms import PackDetInputs

    return signature(PackDetInputs).parameters['meta_keys'].default
