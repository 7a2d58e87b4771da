"""Tests of detectors on images in tiles."""

from __future__ import annotations

from functools import partial
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmcvgssl.models.tiled_detection import predict_tiled
from mmcvgssl.registry import HOOKS


@HOOKS.register_module()
class TiledDetectionHook(Hook):
    """Have a detector take images in tiles, in validation and test.

    Tiles come of :class:`~mmcvgssl.datasets.transforms.TiledSteps`; the hook
    stands in ``custom_hooks`` wherever ``tile`` is set. Images that are not
    in tiles pass as they do without it.
    """

    def before_val(self, runner: Runner) -> None:
        """Take tiles in validation."""
        _wrap(runner.model, 'val_step')

    def after_val(self, runner: Runner) -> None:
        """Leave the model as it was."""
        _unwrap(runner.model, 'val_step')

    def before_test(self, runner: Runner) -> None:
        """Take tiles in a test."""
        _wrap(runner.model, 'test_step')

    def after_test(self, runner: Runner) -> None:
        """Leave the model as it was."""
        _unwrap(runner.model, 'test_step')


def _wrap(model: Any, name: str) -> None:
    _unwrap(model, name)  # of a run that ended early
    setattr(model, name, partial(predict_tiled, model, getattr(model, name)))


def _unwrap(model: Any, name: str) -> None:
    model.__dict__.pop(name, None)
