"""Key names of backbone weights in the hosts, timm and torchvision.

A table per family of backbones says which packages have it and how its keys
are called there.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping
from typing import Any

from torch import Tensor

TARGETS = ('mmpretrain', 'mmdet', 'mmyolo', 'timm', 'torchvision')
HOSTS = TARGETS[:3]
FAMILIES = {
    'mmpretrain.ResNet': 'resnet',
    'mmdet.ResNet': 'resnet',
    'mmpretrain.VisionTransformer': 'vit',
    'mmpretrain.MoCoV3ViT': 'vit',
    'mmpretrain.SwinTransformer': 'swin',
    'mmpretrain.SimMIMSwinTransformer': 'swin',
    'mmpretrain.TIMMBackbone': 'timm',
}
SUPPORTED = {
    'resnet': TARGETS,
    'swin': HOSTS,
    'vit': ('mmpretrain', 'timm', 'torchvision'),
    'timm': ('mmpretrain', 'timm'),
    'other mmpretrain backbones': ('mmpretrain',),
    'other mmdet and mmyolo backbones': ('mmdet', 'mmyolo'),
}
# A ResNet has the same names in all hosts only with the first settings, and
# is the one of timm and torchvision only with both.
RESNET_NAMES: dict[str, Any] = {
    'expansion': None,
    'deep_stem': False,
    'avg_down': False,
    'dcn': None,
    'plugins': None,
}
RESNET_SIZES: dict[str, Any] = {
    'in_channels': 3,
    'stem_channels': 64,
    'base_channels': 64,
    'num_stages': 4,
    'strides': (1, 2, 2, 2),
    'dilations': (1, 1, 1, 1),
    'style': 'pytorch',
    'conv_cfg': None,
}
BN_EPS = 1e-5
MASK_TOKEN = 'mask_token'
# mmdet's Swin has none of the others' choices.
SWIN_PLAIN: dict[str, Any] = {
    'in_channels': 3,
    'out_after_downsample': False,
    'use_abs_pos_embed': False,
    'patch_cfg': {},
}
VIT_PLAIN: dict[str, Any] = {
    'final_norm': True,
    'pre_norm': False,
    'with_cls_token': True,
    'layer_scale_init_value': 0,
    'patch_cfg': {},
    'layer_cfgs': {},
}
RENAMES: dict[str, list[tuple[str, str]]] = {
    'vit→timm': [
        (r'patch_embed\.projection\.', 'patch_embed.proj.'),
        (r'layers\.(\d+)\.ln(\d)\.', r'blocks.\1.norm\2.'),
        (r'layers\.(\d+)\.attn\.', r'blocks.\1.attn.'),
        (r'layers\.(\d+)\.ffn\.layers\.0\.0\.', r'blocks.\1.mlp.fc1.'),
        (r'layers\.(\d+)\.ffn\.layers\.1\.', r'blocks.\1.mlp.fc2.'),
        (r'ln1\.', 'norm.'),
    ],
    'vit→torchvision': [
        (r'patch_embed\.projection\.', 'conv_proj.'),
        (r'cls_token$', 'class_token'),
        (r'pos_embed$', 'encoder.pos_embedding'),
        (r'ln1\.', 'encoder.ln.'),
        (r'layers\.(\d+)\.', r'encoder.layers.encoder_layer_\1.'),
        (r'(encoder\..+)\.ln(\d)\.', r'\1.ln_\2.'),
        (r'(encoder\..+)\.attn\.qkv\.', r'\1.self_attention.in_proj_'),
        (r'(encoder\..+)\.attn\.proj\.', r'\1.self_attention.out_proj.'),
        (r'(encoder\..+)\.ffn\.layers\.0\.0\.', r'\1.mlp.0.'),
        (r'(encoder\..+)\.ffn\.layers\.1\.', r'\1.mlp.3.'),
    ],
    'timm→timm': [(r'timm_model\.', '')],
}


def scoped_type(cfg: Mapping[str, Any], scope: str = 'mmpretrain') -> str:
    """Return the type of a backbone config as ``package.Class``.

    Args:
        cfg: The config; its type may be a class or a full import path.
        scope: The package of a type that names none.
    """
    kind = cfg.get('type')
    if isinstance(kind, type):
        kind = f'{kind.__module__}.{kind.__name__}'
    if not isinstance(kind, str) or not kind:
        raise ValueError(
            "Expected a backbone config such as dict(type='mmpretrain.ResNet'"
            f', depth=18), got {reprlib.repr(dict(cfg))}.'
        )
    parts = kind.split('.')
    if len(parts) > 1:
        scope = parts[0]
    return f'{cfg.get("_scope_") or scope}.{parts[-1]}'


def convert(
    state: Mapping[str, Tensor], backbone_cfg: Mapping[str, Any], target: str
) -> dict[str, Tensor]:
    """Give backbone weights the key names of another package.

    Args:
        state: The backbone's tensors by its own names.
        backbone_cfg: Config of the backbone that they come from.
        target: One of :data:`TARGETS`.

    Raises:
        ValueError: If this backbone has no counterpart there.
    """
    family = check_target(backbone_cfg, target)
    rules = RENAMES.get(f'{family}→{target}', [])
    renamed = {}
    for key, value in state.items():
        if family == 'swin' and target != 'mmpretrain' and key == MASK_TOKEN:
            continue  # of masked images alone
        for pattern, new in rules:
            key = re.sub(f'^{pattern}', new, key)
        renamed[key] = value
    return renamed


def same_names(kind: str, target: str) -> bool:
    """Whether ``package.Class`` can be built in the target as it is."""
    host = kind.partition('.')[0]
    return target == host or {host, target} == {'mmdet', 'mmyolo'}


def check_target(cfg: Mapping[str, Any], target: str) -> str:
    """Return the family of a config.

    Raises:
        ValueError: If the target has no counterpart of this backbone.
    """
    kind = scoped_type(cfg)
    other = 'other mmpretrain backbones'
    if kind.startswith(('mmdet.', 'mmyolo.')):
        other = 'other mmdet and mmyolo backbones'
    family = FAMILIES.get(kind, other)
    known = kind.startswith(tuple(f'{host}.' for host in HOSTS))
    if not known or target not in SUPPORTED[family]:
        names = {v: k for k, v in FAMILIES.items()} | {
            'resnet': 'mmpretrain.ResNet and mmdet.ResNet',
            'vit': 'mmpretrain.VisionTransformer and MoCoV3ViT',
            'swin': 'mmpretrain.SwinTransformer and SimMIMSwinTransformer',
        }
        table = '; '.join(
            f'{names.get(f, f)} to {", ".join(t)}'
            for f, t in SUPPORTED.items()
        )
        raise ValueError(
            f'{kind} cannot be written for {target}. Supported: {table}.'
        )
    if family == 'resnet' and not same_names(kind, target):
        plain = dict(RESNET_NAMES)
        if target not in HOSTS:
            plain |= RESNET_SIZES
        _require_plain(cfg, plain, target)
        norm = cfg.get('norm_cfg')
        eps = norm.get('eps', BN_EPS) if isinstance(norm, Mapping) else BN_EPS
        if target not in HOSTS and eps != BN_EPS:
            raise ValueError(
                f'{kind} with eps={eps} in norm_cfg has no counterpart in '
                f'{target}, which has {BN_EPS}; export it to a host.'
            )
    if family == 'swin' and target != 'mmpretrain':
        _require_plain(cfg, SWIN_PLAIN, target)
    if family == 'vit' and target != 'mmpretrain':
        _require_plain(cfg, VIT_PLAIN, target)
        if cfg.get('out_type') == 'avg_featmap':
            raise ValueError(
                f"out_type='avg_featmap' adds a norm that {target} lacks; "
                "train with out_type='cls_token'."
            )
    return family


def _require_plain(
    cfg: Mapping[str, Any], plain: Mapping[str, Any], target: str
) -> None:
    for key, expected in plain.items():
        value = cfg.get(key, expected)
        if isinstance(value, list):
            value = tuple(value)
        if key == 'stem_channels' and value is None:
            continue  # mmdet: as wide as the base
        if value != expected:
            raise ValueError(
                f'{scoped_type(cfg)} with {key}={value!r} has no counterpart '
                f'in {target}, which expects {key}={expected!r}. Export it to '
                f'the package it comes from, or train without {key}.'
            )
