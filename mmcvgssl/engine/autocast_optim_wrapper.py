"""Mixed precision where mmengine's wrapper refuses to run."""

from __future__ import annotations

from contextlib import contextmanager

import torch
from mmengine.optim import OptimWrapper
from torch import nn

from mmcvgssl.registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """bfloat16 autocast on any device, CPUs included.

    mmengine's ``AmpOptimWrapper`` needs an accelerator. bfloat16 has the
    range of float32, so no loss scaling is needed. For float16 use
    mmengine's.

    Args:
        enabled: Off runs in float32.
        **kwargs: Of ``OptimWrapper``.
    """

    def __init__(self, enabled: bool = True, **kwargs) -> None:
        super().__init__(**kwargs)
        self.enabled = enabled

    @contextmanager
    def optim_context(self, model: nn.Module):
        """Run the forward pass under autocast."""
        device = next(model.parameters()).device.type
        with (
            super().optim_context(model),
            torch.autocast(device, torch.bfloat16, enabled=self.enabled),
        ):
            yield
