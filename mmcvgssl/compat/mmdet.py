"""mmdet's DetInferencer beside this package's LoadImage.

It replaces ``LoadImageFromFile`` by a loader of its own, and refuses
a config without that step.
"""

from __future__ import annotations

import copy
from types import ModuleType
from typing import Any

from .changes import set_attribute
from .import_hook import after_import


def _keep_load_image(module: ModuleType) -> None:
    inferencer = module.DetInferencer
    given = inferencer._init_pipeline

    def init_pipeline(self: Any, cfg: Any) -> Any:
        # some of its versions look at names without their scope, some with
        index = self._get_transform_idx(
            cfg.test_dataloader.dataset.pipeline,
            ('LoadImage', 'mmcvgssl.LoadImage'),
        )
        if index < 0:
            return given(self, cfg)
        from mmengine.registry import TRANSFORMS

        # the config stays as it is, for whoever reads it later
        changed = copy.deepcopy(cfg)
        steps = changed.test_dataloader.dataset.pipeline
        reader = TRANSFORMS.build(steps[index])
        steps[index] = type(steps[index])(type='LoadImageFromFile')
        pipeline = given(self, changed)
        # its loader takes paths, arrays and dicts: all are read by one
        loader = pipeline.transforms[index]
        loader.from_file = loader.from_ndarray = reader
        return pipeline

    set_attribute(inferencer, '_init_pipeline', init_pipeline)


def read_by_load_image() -> None:
    """Let ``DetInferencer`` read images by a config's ``LoadImage``."""
    after_import('mmdet.apis.det_inferencer', _keep_load_image)
