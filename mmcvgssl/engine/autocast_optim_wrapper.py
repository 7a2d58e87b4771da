"""Mixed precision where mmengine's wrapper refuses to run."""

from __future__ import annotations

from contextlib import contextmanager

import torch
from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from torch import nn

from mmcvgssl.models.layers import FastDepthwise
from mmcvgssl.precision import has_native_bfloat16
from mmcvgssl.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """bfloat16 autocast on any device, CPUs included.

    mmengine's ``AmpOptimWrapper`` needs an accelerator. bfloat16 has the
    range of float32, so no loss scaling is needed. For float16 use
    mmengine's. On CPUs depthwise convolutions have a backward pass of their
    own, :class:`mmcvgssl.models.layers.FastDepthwise`.

    Args:
        enabled: Off runs in float32. By default on where the device computes
            in bfloat16, off where it would only emulate it, slowly.
        **kwargs: Options of ``OptimWrapper``.
    """

    def __init__(self, enabled: bool | None = None, **kwargs) -> None:
        super().__init__(**kwargs)
        self.enabled = enabled

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Run the forward pass under autocast."""
        device = next(model.parameters()).device.type
        if self.enabled is None:
            self.enabled = has_native_bfloat16(device)
            if not self.enabled:
                print_log(
                    f'This {device} only emulates bfloat16: training runs in '
                    'float32, which is faster here '
                    '(optim_wrapper.enabled=True insists on bfloat16)',
                    logger='current',
                )
        with (
            super().optim_context(model),
            FastDepthwise(),
            torch.autocast(device, torch.bfloat16, enabled=self.enabled),
        ):
            yield
