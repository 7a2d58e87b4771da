"""Tiny random CLIPs, and KeAD's definition followed step by step."""

from __future__ import annotations

import math
import zlib
from functools import cache

import open_clip
import torch
from mmpretrain.structures import DataSample
from torch import Tensor, nn

from mmcvgssl.models.anomaly.kead import KeAD
from mmcvgssl.models.anomaly.prompts import build_prompts, load_knowledge
from tests.data import picture

KNOWLEDGE = {
    'strip': {
        'name': 'steel strip',
        'good': ['clean {}'],
        'defects': ['{} with rust', '{} with a scratch'],
    },
    'tile': {
        'name': 'tile',
        'good': ['even {}'],
        'defects': ['{} with a crack'],
    },
}
STRIP = {'strip': KNOWLEDGE['strip']}
MEAN, STD = open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
TOWERS = {
    'plain': {'layers': 4},
    'deep-quick': {'layers': 12, 'quick_gelu': True, 'patch_size': 16},
    'layer-scale': {'layers': 3, 'ls_init_value': 0.5},
    'average': {'layers': 4, 'pool_type': 'avg', 'no_ln_pre': True},
    'average-late': {
        'layers': 4,
        'pool_type': 'avg',
        'final_ln_after_pool': True,
    },
    'text-apart': {'layers': 4, 'custom': True},
    'sequence-first': {'layers': 4, 'sequence_first': True},
    'wide': {'layers': 4, 'image_size': (16, 32)},
}


def tokenize(texts: list[str]) -> Tensor:
    """Number words by their check sums; the end has the largest number."""
    out = torch.zeros(len(texts), 24, dtype=torch.long)
    for row, text in zip(out, texts, strict=True):
        words = [1 + zlib.crc32(w.encode()) % 40 for w in text.split()][:23]
        row[: len(words) + 1] = torch.tensor([*words, 49])
    return out


def make_clip(
    layers: int,
    quick_gelu: bool = False,
    custom: bool = False,
    sequence_first: bool = False,
    **vision,
) -> nn.Module:
    torch.manual_seed(0)
    kind = open_clip.CustomTextCLIP if custom else open_clip.CLIP
    size = {'width': 16, 'head_width': 8, 'patch_size': 8, 'image_size': 32}
    clip = kind(
        6,
        {**size, 'layers': layers, **vision},
        {
            'context_length': 24,
            'vocab_size': 50,
            'width': 16,
            'heads': 2,
            'layers': 2,
        },
        quick_gelu=quick_gelu,
    )
    with torch.no_grad():
        for value in clip.parameters():  # norms and biases of their own
            value.add_(0.2 * torch.randn_like(value))
    if sequence_first:
        clip.visual.transformer.batch_first = False
        for block in clip.visual.transformer.resblocks:
            block.attn.batch_first = False
    return clip.double().eval()


@cache
def all_clips() -> dict[str, nn.Module]:
    """Make each kind of tower once; copy what is to be changed."""
    return {name: make_clip(**options) for name, options in TOWERS.items()}


def make_kead(clip: nn.Module, **kwargs) -> KeAD:
    options = {'knowledge': STRIP, 'tokenizer': tokenize} | kwargs
    return KeAD(clip=clip, **options).double()


def random_images(n: int, size=(32, 32), seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, 3, *size, generator=generator, dtype=torch.double)


def normalised(images: Tensor) -> Tensor:
    mean, std = (torch.tensor(v).view(3, 1, 1).double() for v in (MEAN, STD))
    return (images - mean) / std


# the slow reference: one image, one token and one head at a time


def slow_norm(x: Tensor, norm: nn.Module) -> Tensor:
    if isinstance(norm, nn.Identity):
        return x
    centred = x - x.mean()
    scale = (centred.square().mean() + norm.eps).sqrt()
    return centred / scale * norm.weight + norm.bias


def slow_attention(qs, ks, vs, n_heads: int) -> list[Tensor]:
    width = len(qs[0]) // n_heads
    out = []
    for q in qs:
        heads = []
        for h in range(n_heads):
            part = slice(h * width, (h + 1) * width)
            powers = [
                math.exp(float(q[part] @ k[part]) / math.sqrt(width))
                for k in ks
            ]
            total = sum(powers)
            heads.append(
                sum(
                    p / total * v[part]
                    for p, v in zip(powers, vs, strict=True)
                )
            )
        out.append(torch.cat(heads))
    return out


def slow_block(block: nn.Module, xs: list[Tensor], quick: bool):
    """Return the normal tokens, and what V-V attention gives."""
    attn = block.attn
    inner = [slow_norm(x, block.ln_1) for x in xs]
    joint = [attn.in_proj_weight @ y + attn.in_proj_bias for y in inner]
    qs, ks, vs = zip(*(j.chunk(3) for j in joint), strict=True)
    both = []
    for q, k in ((qs, ks), (vs, vs)):
        heads = slow_attention(q, k, vs, attn.num_heads)
        weight, bias = attn.out_proj.weight, attn.out_proj.bias
        scale = getattr(block.ls_1, 'gamma', 1.0)
        both.append([(weight @ h + bias) * scale for h in heads])
    out = []
    for x, add in zip(xs, both[0], strict=True):
        x = x + add
        fc, last = block.mlp.c_fc, block.mlp.c_proj
        hidden = fc.weight @ slow_norm(x, block.ln_2) + fc.bias
        if quick:
            hidden = hidden / (1 + torch.exp(-1.702 * hidden))
        else:
            hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
        scale = getattr(block.ls_2, 'gamma', 1.0)
        out.append(x + (last.weight @ hidden + last.bias) * scale)
    return out, both[1]


def slow_features(
    clip: nn.Module,
    image: Tensor,
    features: list[int],
    first: int,
    residual: bool = True,
    quick: bool = False,
) -> list[Tensor]:
    """Follow both paths for a normalised image [3, H, W]."""
    visual = clip.visual
    height, width = visual.patch_size
    kernel = visual.conv1.weight.flatten(1)
    xs = [visual.class_embedding]
    for top in range(0, image.shape[1], height):
        for left in range(0, image.shape[2], width):
            patch = image[:, top : top + height, left : left + width]
            xs.append(kernel @ patch.flatten())
    xs = [
        slow_norm(x + p, visual.ln_pre)
        for x, p in zip(xs, visual.positional_embedding, strict=True)
    ]
    out = []
    for number, block in enumerate(visual.transformer.resblocks, 1):
        if number == first:
            path = list(xs)
        xs, added = slow_block(block, xs, quick)
        taken = xs
        if number >= first:
            path = [
                (p if residual else 0) + a
                for p, a in zip(path, added, strict=True)
            ]
            taken = path
        if number in features:
            rows = [slow_norm(t, visual.ln_post) @ visual.proj for t in taken]
            out.append(torch.stack(rows))
    return out


def slow_texts(clip: nn.Module, category: str = 'strip') -> list[Tensor]:
    prompts = build_prompts(load_knowledge(KNOWLEDGE)[category])
    out = []
    for texts in (prompts.normal, prompts.anomalous, prompts.redundant):
        total = torch.zeros(6, dtype=torch.double)
        for text in texts:
            one = clip.encode_text(tokenize([text]))[0]
            total = total + one / one.norm()
        mean = total / len(texts)
        out.append(mean / mean.norm())
    return out


def slow_probability(feature: Tensor, texts: list[Tensor], tau=0.07) -> float:
    normal, anomalous, redundant = texts
    powers = []
    for text in (normal - redundant, anomalous - redundant):
        cosine = float(feature @ text) / float(feature.norm() * text.norm())
        powers.append(math.exp(cosine / tau))
    return powers[1] / sum(powers)


def slow_distance(feature: Tensor, memory: Tensor) -> float:
    cosines = [
        float(feature @ row) / float(feature.norm() * row.norm())
        for row in memory
    ]
    return (1 - max(cosines)) / 2


def slow_maps(levels: list[Tensor], texts: list[Tensor]) -> Tensor:
    """Average probabilities of levels [1 + L, D], to [L]."""
    return torch.tensor(
        [
            sum(slow_probability(level[i], texts) for level in levels)
            / len(levels)
            for i in range(1, len(levels[0]))
        ],
        dtype=torch.double,
    )


def batch_of(seeds, categories=None, side: int = 40) -> dict:
    """Make what a data loader gives: BGR bytes and data samples."""
    samples = []
    for i in range(len(seeds)):
        sample = DataSample()
        if categories:
            sample.set_metainfo({'category': categories[i]})
        samples.append(sample)
    return {
        'inputs': [as_bytes(seed, side) for seed in seeds],
        'data_samples': samples,
    }


def as_bytes(seed: int, side: int = 40) -> Tensor:
    rgb = torch.tensor(list(picture(seed, side).tobytes())).view(side, side, 3)
    return rgb.flip(-1).permute(2, 0, 1).to(torch.uint8)


def as_rgb(seed: int, side: int = 40) -> Tensor:
    return as_bytes(seed, side).flip(0)[None].double() / 255
