"""The memory layout in which CPUs and tensor cores convolve fastest."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from mmcvgssl.registry import HOOKS


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Lay out any host's model channels last.

    Weights take the layout; a convolution hands it on to what it returns, so
    inputs need none. Values and names of checkpoints stay as they are.
    """

    # before anything loads into or copies the model
    priority = 'HIGHEST'

    def before_run(self, runner: Runner) -> None:
        """Change the layout of the weights in place."""
        runner.model.to(memory_format=torch.channels_last)
