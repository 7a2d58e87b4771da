"""Validation of models that are pretrained on views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmengine.runner import Runner, ValLoop
from torch import nn

from mmcvgssl.datasets import SurfaceImages, inner_sets
from mmcvgssl.registry import LOOPS


@LOOPS.register_module()
class ViewsValLoop(ValLoop):
    """Give the metrics the projections of an image's views.

    The hosts' self-supervisors can train and extract features, but not
    predict, as mmengine's ``ValLoop`` asks. This one runs each view through
    backbone and neck. A metric gets a dict for each image, with
    ``embeddings`` [V, D] of its V views.

    Args:
        runner: Its model is a self-supervisor of mmpretrain with a neck.
        dataloader: Loader of views, or its config.
        evaluator: Evaluator of the metrics, or their configs.
        fp16: Whether to run in half precision.

    Raises:
        TypeError: If the model has no neck.
    """

    runner: Runner

    def run(self) -> dict:
        """Validate."""
        model = self._model()
        if getattr(model, 'neck', None) is None:
            raise TypeError(
                'ViewsValLoop compares what a neck makes of views, and '
                f'{type(model).__name__} has none; leave val_dataloader, '
                'val_cfg and val_evaluator out'
            )
        # other views would make values of epochs incomparable
        for data_set in inner_sets(self.dataloader.dataset):
            if isinstance(data_set, SurfaceImages):
                data_set.set_epoch(0)
        return super().run()

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Sequence[dict]) -> None:
        """Validate on a batch."""
        self.runner.call_hook(
            'before_val_iter', batch_idx=idx, data_batch=data_batch
        )
        model = self._model()
        device = next(model.parameters()).device.type
        views = model.data_preprocessor(data_batch, False)['inputs']
        with torch.autocast(device, enabled=self.fp16):
            rows = [model.neck(model.extract_feat(view))[0] for view in views]
        outputs = [
            {'embeddings': each} for each in torch.stack(rows, dim=1).float()
        ]
        self.evaluator.process(data_samples=outputs, data_batch=data_batch)
        self.runner.call_hook(
            'after_val_iter',
            batch_idx=idx,
            data_batch=data_batch,
            outputs=outputs,
        )

    def _model(self) -> Any:
        model: nn.Module = self.runner.model
        return getattr(model, 'module', model)
