"""Batch norm over the images of all processes, on CPUs, too."""

from __future__ import annotations

import torch
from mmengine.dist import get_world_size
from timm.layers import convert_sync_batchnorm
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from mmcvgssl.models.layers.gather import gather_rows


class CPUSyncBatchNorm(_BatchNorm):
    """Batch norm of any number of dimensions over all processes.

    torch's ``SyncBatchNorm`` is for accelerators alone. Processes may have
    maps of different sizes, as all numbers are weighted alike.

    Args:
        norm: The layer whose weights, statistics and settings it takes, with
            timm's activation and drop-out behind it, if it has them.
    """

    def __init__(self, norm: _BatchNorm) -> None:
        super().__init__(
            norm.num_features,
            norm.eps,
            norm.momentum,
            norm.affine,
            norm.track_running_stats,
        )
        for name in ('weight', 'bias'):
            self.register_parameter(name, getattr(norm, name))
        for name in ('running_mean', 'running_var', 'num_batches_tracked'):
            self.register_buffer(name, getattr(norm, name))
        self.drop = getattr(norm, 'drop', nn.Identity())
        self.act = getattr(norm, 'act', nn.Identity())
        self.training = norm.training

    def forward(self, x: Tensor) -> Tensor:
        """Normalise [N, C, ...] by channel."""
        if self.training and get_world_size() > 1:
            return self.act(self.drop(self._over_all(x)))
        return self.act(self.drop(super().forward(x)))

    def _check_input_dim(self, input: Tensor) -> None:
        if input.ndim < 2:
            raise ValueError(
                f'batch norm takes [N, C, ...], got {list(input.shape)}'
            )

    def _over_all(self, x: Tensor) -> Tensor:
        self._check_input_dim(x)
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        dims = [0, *range(2, x.ndim)]
        count = x.numel() // x.shape[1]
        var, mean = torch.var_mean(wide, dims, correction=0)
        own = torch.stack([mean, var, torch.full_like(mean, count)])
        means, variances, counts = gather_rows(own[None]).unbind(1)
        share = counts / counts.sum(0)
        mean = (share * means).sum(0)
        var = (share * (variances + (means - mean).square())).sum(0)
        self._track(mean.detach(), var.detach(), counts[:, 0].sum())
        shape = [1, -1] + [1] * (x.ndim - 2)
        scale = (var + self.eps).rsqrt()
        shift = -mean * scale
        if self.affine:
            scale, shift = scale * self.weight, shift * self.weight + self.bias
        return (wide * scale.view(shape) + shift.view(shape)).to(x.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, var: Tensor, count: Tensor) -> None:
        means, variances = self.running_mean, self.running_var
        steps = self.num_batches_tracked
        if means is None or variances is None or steps is None:
            return
        steps += 1
        # without momentum, the mean over all steps
        part = 1 / steps if self.momentum is None else self.momentum
        means += part * (mean - means)
        unbiased = var * count / (count - 1)
        variances += part * (unbiased - variances)


def synchronize_batch_norm(model: nn.Module) -> nn.Module:
    """Make the batch norms of a model use the images of all processes.

    Weights, statistics and names stay. What stands behind timm's batch norms
    stays, too, which mmengine's conversion drops.

    Args:
        model: Changed in place, unless it is a batch norm itself.

    Returns:
        The model.

    Example:
        >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8))
        >>> type(synchronize_batch_norm(model)[1]).__name__  # on CPUs
        'CPUSyncBatchNorm'
    """
    first = next(model.parameters(), None)
    if first is not None and first.device.type != 'cpu':
        return convert_sync_batchnorm(model)
    return _converted(model, _BatchNorm)


def replace_sync_batch_norm(model: nn.Module) -> nn.Module:
    """Replace torch's synchronised batch norms so that CPUs can run them.

    Plain batch norms stay as they are.

    Args:
        model: Changed in place, unless it is a batch norm itself.

    Returns:
        The model.

    Example:
        >>> model = nn.Sequential(nn.SyncBatchNorm(8), nn.BatchNorm2d(8))
        >>> [type(layer).__name__ for layer in replace_sync_batch_norm(model)]
        ['CPUSyncBatchNorm', 'BatchNorm2d']
    """
    return _converted(model, nn.SyncBatchNorm)


def _converted(module: nn.Module, kind: type[_BatchNorm]) -> nn.Module:
    if isinstance(module, CPUSyncBatchNorm):
        return module
    if isinstance(module, kind):
        return CPUSyncBatchNorm(module)
    for name, child in module.named_children():
        module._modules[name] = _converted(child, kind)
    return module
