"""Batch norms of a frozen network as parts of its convolutions."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

# of the largest output: above the rounding of a deep network in TF32, and far
# below what a norm does
TOLERANCE = 0.01

Run = Callable[[nn.Module], Sequence[Tensor]]


def fold_norms(network: nn.Module, run: Run) -> nn.Module:
    """Return a network whose convolutions do the work of its batch norms.

    In eval mode a batch norm scales and shifts each channel, as weights and
    bias of the convolution before it can. The network is run to see which
    norm follows which convolution, and once more to see that it computes the
    same.

    Args:
        network: In eval mode and float32; it stays as it is.
        run: Runs a network on an example and returns its outputs.

    Returns:
        A folded copy, or the network itself if it has nothing to fold or
        would compute something else.

    Example:
        >>> layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU()
        >>> network = nn.Sequential(*layers).eval()
        >>> x = torch.rand(1, 3, 9, 9)
        >>> folded = fold_norms(network, lambda n: [n(x)])
        >>> folded[1], bool(torch.allclose(folded(x), network(x), atol=1e-5))
        (Identity(), True)
    """
    names = {m: name for name, m in network.named_modules() if _is_norm(m)}
    floats = all(p.dtype == torch.float32 for p in network.parameters())
    if not names or not floats:
        return network
    pairs, expected = _pairs(network, run)
    folded = copy.deepcopy(network)
    for conv, norm in pairs:
        _fold(folded, conv, norm)
    if not pairs or not _alike(run(folded), expected):
        return network
    return folded


def _pairs(
    network: nn.Module, run: Run
) -> tuple[list[tuple[str, str]], Sequence[Tensor]]:
    """Name convolutions and the norms that alone take what these give."""
    names = {module: name for name, module in network.named_modules()}
    calls: dict[nn.Module, list[Tensor]] = defaultdict(list)
    takers: dict[int, list[nn.Module]] = defaultdict(list)
    # by id, which no other tensor gets while they are held
    made: dict[int, tuple[nn.Module, Tensor]] = {}

    def taken(module: nn.Module, given: tuple) -> None:
        for each in given:
            if id(each) in made:
                takers[id(each)].append(module)

    def gave(module: nn.Module, _: Any, out: Any) -> None:
        calls[module].append(out)
        made[id(out)] = module, out

    hooks = [m.register_forward_pre_hook(taken) for m in names]
    hooks += [
        m.register_forward_hook(gave)
        for m in names
        if isinstance(m, nn.Conv2d) or _is_norm(m)
    ]
    try:
        expected = run(network)
    finally:
        for hook in hooks:
            hook.remove()
    found = []
    for number, (conv, _) in made.items():
        others = takers[number]
        if not isinstance(conv, nn.Conv2d) or len(others) != 1:
            continue
        norm = others[0]
        if _is_norm(norm) and len(calls[conv]) == len(calls[norm]) == 1:
            found.append((names[conv], names[norm]))
    return found, expected


def _is_norm(module: nn.Module) -> bool:
    known = type(module) in (nn.BatchNorm2d, nn.SyncBatchNorm, BatchNormAct2d)
    return known and module.running_mean is not None


def _fold(network: nn.Module, conv_name: str, norm_name: str) -> None:
    conv: Any = network.get_submodule(conv_name)
    norm: Any = network.get_submodule(norm_name)
    conv.weight, conv.bias = fuse_conv_bn_weights(
        conv.weight,
        conv.bias,
        norm.running_mean,
        norm.running_var,
        norm.eps,
        norm.weight,
        norm.bias,
    )
    rest: nn.Module = nn.Identity()
    if isinstance(norm, BatchNormAct2d):
        rest = nn.Sequential(norm.drop, norm.act)
    parent, _, name = norm_name.rpartition('.')
    setattr(network.get_submodule(parent), name, rest)


def _alike(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    return all(
        float((one - other).abs().amax())
        <= TOLERANCE * float(other.abs().amax())
        for one, other in zip(found, expected, strict=True)
    )
