"""Patches of images in 8 bits, and the nearest of each image."""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from mmcvgssl.models.layers import linear

_LARGEST = 127
# distances in memory at once: 64 MiB
_BLOCK = 1 << 24
# the same on a CPU, where 4 MiB stay in its cache
_CPU_BLOCK = 1 << 20
# patches of a query, and of memory, that share a table there
_CPU_ROWS = 1024
_COLUMNS = 1024
# sizes of matrices that GPUs multiply in 8 bits
_MULTIPLE, _GPU_ROWS = 8, 17


class QuantisedImages:
    """Patches of images, and the nearest patch of each image to a patch.

    Numbers are whole steps from the patches' mean, 127 to the farthest, so
    that products of them are exact and, where a processor multiplies 8 bits,
    several times as fast as in float32. A distance is that between vectors
    of whole steps: off by about half a step, and zero for copies.

    Args:
        patches: Patches of R images, in half precision or not, [R, L, D].

    Example:
        >>> patches = torch.rand(5, 16, 24)
        >>> QuantisedImages(patches).nearest(patches[0]).shape
        torch.Size([5, 16])
    """

    def __init__(self, patches: Tensor) -> None:
        images, many, width = patches.shape
        self._images, self._width = images, width
        self._dtype = patches.dtype
        self._centre = patches.mean((0, 1), dtype=torch.float32)
        farthest = max(
            float(self._from_centre(p).abs().amax()) for p in patches
        )
        self.step = farthest / _LARGEST or 1.0
        # an image of many patches is as several, and of those copies fill up
        parts = math.ceil(many / _COLUMNS)
        each = math.ceil(many / parts / _MULTIPLE) * _MULTIPLE
        filled = torch.arange(parts * each).clamp(max=many - 1)
        made = [
            self._padded(self._steps(p[filled]))
            .to(torch.int8)
            .view(parts, each, -1)
            for p in patches
        ]
        self._patches = torch.cat(made)
        self._squares = torch.cat(
            [m.int().square().sum(2, dtype=torch.int32) for m in made]
        )

    def nearest(self, patches: Tensor) -> Tensor:
        """Find the squared distance to the nearest patch of each image.

        Distances in memory at once take 4 MiB on a CPU and 64 MiB on other
        devices, or those of one patch to 1,024.

        Args:
            patches: [n, D].

        Returns:
            [R, n].
        """
        rows = self._padded(self._steps(patches))
        # a graph takes any number of patches, so it does not split them
        if torch.onnx.is_in_onnx_export() or not _eight_bits_pay(rows):
            return self._nearest(rows)
        # what is beyond 8 bits, or no number
        far = ~(rows.abs().amax(1) <= _LARGEST)
        found = self._nearest(rows.clamp(-_LARGEST, _LARGEST).to(torch.int8))
        if far.any():
            found[:, far] = self._nearest(rows[far])
        return found

    def _nearest(self, rows: Tensor) -> Tensor:
        """Find them for patches in whole steps, of type int8 or float32."""
        each = self._patches.shape[1]
        if torch.onnx.is_in_onnx_export():
            blocks, group = [rows], 1
        else:
            most = _CPU_BLOCK if rows.is_cpu else _BLOCK
            height = max(most // each, 1)
            height = min(height, _CPU_ROWS) if rows.is_cpu else height
            group = max(most // (min(height, len(rows)) * each), 1)
            blocks = list(rows.split(height))
        table = None
        if rows.dtype == torch.int8:
            # a new one for each product costs as much as the product
            size = len(blocks[0]) * group * each
            table = rows.new_empty(size, dtype=torch.int32)
        found = []
        for block in blocks:
            least = [
                _differences(block, part, squares, table)
                .unflatten(1, (-1, each))
                .amin(2)
                for part, squares in zip(
                    self._patches.split(group),
                    self._squares.split(group),
                    strict=True,
                )
            ]
            found.append(torch.cat(least, 1))
        nearest = torch.cat(found).unflatten(1, (self._images, -1)).amin(2)
        # the patch's own square does not change the order: added at the end
        whole = rows.int() if rows.dtype == torch.int8 else rows
        nearest = nearest + whole.square().sum(1, keepdim=True)
        return (nearest.float() * self.step**2).clamp_(min=0).T

    def _from_centre(self, patches: Tensor) -> Tensor:
        # as exact as those of memory, so that copies are no distance away
        return patches.to(self._dtype).float() - self._centre

    def _steps(self, patches: Tensor) -> Tensor:
        return (self._from_centre(patches) / self.step).round()

    def _padded(self, rows: Tensor) -> Tensor:
        return F.pad(rows, (0, -self._width % _MULTIPLE))


def _differences(
    rows: Tensor, patches: Tensor, squares: Tensor, table: Tensor | None
) -> Tensor:
    """Return squares of patches less twice their products with rows.

    Args:
        rows: [n, D], of type int8 or float32.
        patches: [g, L, D], of type int8.
        squares: [g, L].
        table: Memory for the result of int8, n * g * L numbers or more.

    Returns:
        [n, g * L].
    """
    others = patches.flatten(0, 1)
    enough = rows.is_cpu or len(rows) >= _GPU_ROWS
    if table is not None and enough:
        table = table[: len(rows) * len(others)].view(len(rows), -1)
        torch._int_mm(rows, others.T, out=table)
        return torch.sub(squares.flatten(), table, alpha=2, out=table)
    others, bias = others.float(), squares.flatten().float()
    return linear(-2 * rows.float(), others, bias)


def _eight_bits_pay(rows: Tensor) -> bool:
    """Whether the device multiplies 8 bits faster than float32."""
    if rows.is_cpu:
        known = getattr(torch.cpu, '_is_vnni_supported', lambda: False)
        fast = bool(known()) and bool(torch.backends.mkldnn.enabled)
    elif rows.is_cuda:
        fast = torch.cuda.get_device_capability(rows.device) >= (8, 0)
    else:
        fast = False
    return fast and _multiplies(rows.device)


@cache
def _multiplies(device: torch.device) -> bool:
    """Whether it does at all, which depends on versions of libraries."""
    ones = torch.ones(4 * _MULTIPLE, _MULTIPLE, dtype=torch.int8).to(device)
    made = ones.new_empty(len(ones), len(ones), dtype=torch.int32)
    try:
        torch._int_mm(ones, ones.T, out=made)
        return bool((made == _MULTIPLE).all())
    except (AttributeError, RuntimeError):
        return False
