"""Models that read converted backbone weights."""

from __future__ import annotations

import importlib
import reprlib
from collections.abc import Mapping
from functools import partial
from typing import Any

from torch import nn

from mmcvgssl.registry import MODELS
from mmcvgssl.weights.names import (
    HOSTS,
    RESNET_SIZES,
    check_target,
    same_names,
    scoped_type,
)


def build_target(
    backbone_cfg: Mapping[str, Any], target: str, arch: str | None = None
) -> nn.Module:
    """Build the model that is to read converted weights, untrained.

    Args:
        backbone_cfg: Config of the backbone that the weights come from.
        target: One of :data:`TARGETS`.
        arch: Name of a model of timm or torchvision; by default it follows
            from the config.

    Raises:
        ValueError: If this backbone has no counterpart there, or the config
            or ``arch`` cannot be built.
        ModuleNotFoundError: If the package is not installed.
    """
    family = check_target(backbone_cfg, target)
    if target in HOSTS:
        if arch is not None:
            raise ValueError(
                f'arch={arch!r} names a model of timm or torchvision; for '
                f'{target} the config decides: leave it out.'
            )
        cfg = dict(backbone_cfg)
        if not same_names(scoped_type(cfg), target):
            of = _swin_of if family == 'swin' else _resnet_of
            cfg = of(cfg, target)
        return build_host(cfg)
    kwargs: dict[str, Any] = {}
    if arch is None and family == 'vit':
        return _build_vit(backbone_cfg, target)
    if arch is None and family == 'resnet':
        arch = f'resnet{backbone_cfg.get("depth")}'
    elif family == 'timm':
        ours = ('type', 'pretrained', 'checkpoint_path', 'init_cfg')
        kwargs = {k: v for k, v in backbone_cfg.items() if k not in ours}
        kwargs['in_chans'] = kwargs.pop('in_channels', 3)
        named = kwargs.pop('model_name', None)
        arch = arch or named
    return _build_named(str(arch), target, **kwargs)


def build_host(cfg: Mapping[str, Any]) -> nn.Module:
    """Build a host's backbone without loading weights.

    Raises:
        ValueError: If the config cannot be built.
    """
    cfg = {**cfg, 'type': scoped_type(cfg), 'init_cfg': None}
    cfg.pop('_scope_', None)
    for key in ('pretrained', 'checkpoint_path'):
        cfg.pop(key, None)
    try:
        return MODELS.build(cfg)
    except (AssertionError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f'The backbone config {reprlib.repr(cfg)} cannot be built: '
            f'{error}. Correct the config, or pass the one of the training '
            'run.'
        ) from error


def _resnet_of(cfg: Mapping[str, Any], target: str) -> dict[str, Any]:
    keep = ('depth', 'norm_cfg', *RESNET_SIZES)
    sizes = {k: v for k, v in cfg.items() if k in keep}
    # mmdet's stem is as wide as the base by default, mmpretrain's has 64
    mmdet = scoped_type(cfg).startswith('mmdet.')
    stem = cfg.get('base_channels', 64) if mmdet else 64
    sizes['stem_channels'] = cfg.get('stem_channels') or stem
    stages = sizes.get('num_stages', 4)
    host = 'mmpretrain' if target == 'mmpretrain' else 'mmdet'
    indices = tuple(range(stages))
    return {'type': f'{host}.ResNet', 'out_indices': indices, **sizes}


def _swin_of(cfg: dict[str, Any], target: str) -> dict[str, Any]:
    """Describe mmpretrain's Swin to mmdet, which serves mmyolo, too."""
    source: Any = build_host(cfg)
    windows = {
        block.attn.window_size
        for stage in source.stages
        for block in stage.blocks
    }
    if len(windows) > 1:
        raise ValueError(
            f'A Swin with windows of {sorted(windows)} has no counterpart in '
            f'{target}, which has one size. Export it to mmpretrain.'
        )
    # norms stand at the outputs; mmdet's cannot do without
    normed = cfg.get('norm_cfg', True) is not None
    return {
        'type': 'mmdet.SwinTransformer',
        'embed_dims': source.embed_dims,
        'depths': source.depths,
        'num_heads': source.num_heads,
        'window_size': windows.pop(),
        'out_indices': tuple(source.out_indices) if normed else (),
    }


def _build_named(arch: str, target: str, **kwargs: Any) -> nn.Module:
    module = importlib.import_module(target)
    try:
        if target == 'timm':
            return module.create_model(arch, pretrained=False, **kwargs)
        return module.models.get_model(arch, weights=None, **kwargs)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ValueError(
            f'{target} cannot build {arch!r}: {error}. Name one of its '
            'models by arch.'
        ) from error


def _build_vit(cfg: Mapping[str, Any], target: str) -> nn.Module:
    """Build a ViT of the sizes that mmpretrain's has, with its eps."""
    source: Any = build_host(cfg)
    layers = source.arch_settings
    width, mlp = layers['embed_dims'], layers['feedforward_channels']
    norm = partial(nn.LayerNorm, eps=source.ln1.eps)
    patch, size = source.patch_embed.projection, source.img_size
    if target == 'timm':
        from timm.models.vision_transformer import VisionTransformer as TimmViT

        return TimmViT(
            img_size=size,
            patch_size=patch.kernel_size,
            in_chans=patch.in_channels,
            embed_dim=width,
            depth=layers['num_layers'],
            num_heads=layers['num_heads'],
            mlp_ratio=(mlp + 0.5) / width,  # timm rounds the product down
            qkv_bias=cfg.get('qkv_bias', True),
            norm_layer=norm,
        )
    from torchvision.models import VisionTransformer

    square = size[0] == size[1] and len(set(patch.kernel_size)) == 1
    if not square or patch.in_channels != 3 or not cfg.get('qkv_bias', True):
        raise ValueError(
            "torchvision's VisionTransformer has square RGB images, square "
            f'patches and qkv_bias=True; got images {size}, patches '
            f'{patch.kernel_size}, {patch.in_channels} channels, qkv_bias='
            f'{cfg.get("qkv_bias", True)}. Export to timm instead.'
        )
    return VisionTransformer(
        image_size=size[0],
        patch_size=patch.kernel_size[0],
        num_layers=layers['num_layers'],
        num_heads=layers['num_heads'],
        hidden_dim=width,
        mlp_dim=mlp,
        norm_layer=norm,
    )
