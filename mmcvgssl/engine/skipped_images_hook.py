"""A summary of skipped images at the end of a training."""

from __future__ import annotations

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmcvgssl.registry import HOOKS
from mmcvgssl.utils import some


@HOOKS.register_module()
class SkippedImagesHook(Hook):
    """Name the images that could not be read, after the last epoch.

    Args:
        lines: One for each image.
    """

    priority = 'LOWEST'

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = list(lines)

    def after_train(self, runner: Runner) -> None:
        """Say it."""
        runner.logger.warning(
            f'trained without {some(self.lines, "unreadable image", 20)}'
        )
