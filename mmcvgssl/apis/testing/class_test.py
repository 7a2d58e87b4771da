"""Tests of classifiers: how many images get their class."""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any, ClassVar

from mmengine.config import Config, ConfigDict
from mmpretrain.datasets import CustomDataset, PackInputs

from mmcvgssl.apis.testing.kind import (
    KindOfTest,
    check_classes,
    check_listed,
    has_boxes,
    refuse_root,
    with_meta,
)
from mmcvgssl.datasets import OneClassDataset
from mmcvgssl.datasets.image_folders import class_folders
from mmcvgssl.datasets.text_lists import classes_beside
from mmcvgssl.utils import printable, some

_METRICS = (
    dict(type='mmpretrain.Accuracy', topk=(1,)),
    dict(type='mmcvgssl.ClasswiseMetric'),
)


class ClassTest(KindOfTest):
    """Accuracy, and precision and recall of each class."""

    expected: ClassVar[str] = (
        'images with classes in test_dataloader, or in few_shot.test'
    )

    def on_images(
        self, cfg: Config, images: str | Path, root: str | Path | None
    ) -> None:
        """Test on a folder with a folder for each class, or some of them."""
        refuse_root(root)
        home = Path(images)
        if not home.is_dir():
            raise FileNotFoundError(
                'expected a folder with a folder of images for each class, '
                f'found no folder {printable(str(home))}'
            )
        classes = self.content.classes
        names = class_folders(home, classes=classes)
        unknown = [printable(n) for n in names if n not in classes]
        if unknown or not names:
            raise ValueError(
                f'{home}: expected a folder of images for each of the '
                f'classes {", ".join(classes)} of {self.source}, got '
                f'{some(unknown, "other folder") if unknown else "none"}: '
                'rename them, or move them out'
            )
        cfg.test_dataloader.dataset = ConfigDict(
            type='mmcvgssl.SurfaceImages',
            data_root=str(home),
            with_label=True,
            verify=True,
            min_classes=1,
            test_mode=True,
            metainfo=dict(classes=tuple(classes)),
            pipeline=self._steps(),
        )
        cfg.test_evaluator = [ConfigDict(metric) for metric in _METRICS]

    def on_config(self, cfg: Config) -> None:
        """Test on ``few_shot.test`` of a config that has no test loop."""
        if cfg.get('test_dataloader') is None:
            data_set = (cfg.get('few_shot') or {}).get('test')
            if not data_set:
                raise self.refuse(cfg)
            more = dict(test_mode=True, min_classes=1, pipeline=[])
            cfg.test_dataloader = self.loader(dataset={**data_set, **more})
            cfg.test_evaluator = [ConfigDict(metric) for metric in _METRICS]
            cfg.test_cfg = ConfigDict()
            # of a training without labels
            cfg.pop('data_preprocessor', None)
        for node, kind in self.sets(cfg):
            # others know their classes, which are compared later
            if issubclass(kind, CustomDataset):
                self._name_classes(node)
            node['pipeline'] = self._steps()

    def takes(self, data_set: type) -> bool:
        """Whether a data set may have classes of images."""
        return not (
            has_boxes(data_set) or issubclass(data_set, OneClassDataset)
        )

    def classes_of(self, built: Any) -> Sequence[str] | None:
        """Return the names that an image's label stands for."""
        return built.metainfo.get('classes')

    def _steps(self) -> list[ConfigDict]:
        """Return the file's steps: what packs them takes the label along."""
        *steps, packing = self.steps
        keys = signature(PackInputs).parameters['meta_keys'].default
        return [ConfigDict(s) for s in (*steps, with_meta(packing, keys))]

    def _name_classes(self, node: MutableMapping[str, Any]) -> None:
        """Check the names of a data set, or give it the file's.

        Raises:
            ValueError: If they differ, or a list has indices alone, which
                may be of other classes.
        """
        classes = self.content.classes
        meta = node.get('metainfo') or {}
        given = meta.get('classes', node.get('classes'))
        file = node.get('ann_file')
        if given is None and file:
            folders = (
                node.get(key) or '' for key in ('data_root', 'split_dir')
            )
            given = classes_beside(Path(*folders, file))
        if isinstance(given, (list, tuple)):
            check_classes(given, classes, self.source, 'the config')
        if file:
            more = ', or by metainfo=dict(classes=...) of the data set'
            check_listed(file, given, classes, self.source, more)
        if given is None:
            node['metainfo'] = {**meta, 'classes': tuple(classes)}
