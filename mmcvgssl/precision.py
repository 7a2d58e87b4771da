"""Where mixed precision pays."""

from __future__ import annotations

import torch

# of torch.cpu.get_capabilities()
_CPU = ('amx_bf16', 'avx512_bf16', 'sve_bf16')


def has_native_bfloat16(device: str) -> bool:
    """Whether a kind of device computes in bfloat16.

    One that only emulates it trains several times slower in it than in
    float32.

    Args:
        device: Such as ``'cpu'`` or ``'cuda'``.
    """
    if device == 'cuda':
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device != 'cpu':
        return True
    if hasattr(torch.cpu, 'get_capabilities'):
        found = torch.cpu.get_capabilities()
        return any(found.get(name) for name in _CPU)
    return (  # an older PyTorch
        torch.cpu._is_amx_tile_supported()
        or torch.cpu._is_avx512_bf16_supported()
    )
