"""KeAD as its public description does it: one attention after the other."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock
from torch import Tensor

from mmcvgssl.models.anomaly import KeAD


def explicit_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend with a soft-max over a matrix that is written out."""
    weights = q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5
    return weights.softmax(dim=-1) @ v


def attend(block: ResidualAttentionBlock, x: Tensor, values: bool) -> Tensor:
    """Run a block's attention, or its V-V attention, on [N, T, C]."""
    attn = block.attn
    qkv = F.linear(block.ln_1(x), attn.in_proj_weight, attn.in_proj_bias)
    q, k, v = (
        t.unflatten(-1, (attn.num_heads, -1)).transpose(1, 2)
        for t in qkv.chunk(3, dim=-1)
    )
    heads = explicit_attention(*((v, v, v) if values else (q, k, v)))
    return attn.out_proj(heads.transpose(1, 2).flatten(2))


def plain_features(kead: KeAD, images: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return features [N, 1 + L, D] of each level, and embeddings."""
    visual = kead.clip.visual
    x = visual._embeds(kead.preprocess(images))
    path, taken = None, []
    for number, block in enumerate(visual.transformer.resblocks, 1):
        if number >= kead.path.first:
            path = x if path is None else path
            path = path + attend(block, x, values=True)
        x = x + attend(block, x, values=False)
        x = x + block.mlp(block.ln_2(x))
        # a block may count several times
        for _ in range(kead.path.feature_blocks.count(number)):
            taken.append(visual.ln_post(x if path is None else path))
    embedding = visual.ln_post(x)[:, 0] @ visual.proj
    return [t @ visual.proj for t in taken], embedding


def plain_texts(kead: KeAD, category: str) -> list[Tensor]:
    """Return text features of the three kinds of prompts, each [D]."""
    prompts = kead.prompts[category]
    out = []
    for texts in (prompts.normal, prompts.anomalous, prompts.redundant):
        tokens = kead.texts.tokenizer(list(texts))
        embedded = kead.clip.encode_text(tokens.to(kead.device))
        mean = F.normalize(embedded, dim=-1).mean(0)
        out.append(F.normalize(mean, dim=0))
    return out


@torch.no_grad()
def plain_maps(
    kead: KeAD,
    images: Tensor,
    category: str,
    texts: list[Tensor] | None = None,
) -> tuple[Tensor, Tensor]:
    """Return maps [N, h, w] and scores [N]; embed the words if need be."""
    normal, anomalous, redundant = texts or plain_texts(kead, category)
    pair = torch.stack([normal - redundant, anomalous - redundant])
    pair = F.normalize(pair, dim=-1)
    levels, embedding = plain_features(kead, images)
    maps = []
    for level in levels:
        cosines = F.normalize(level[:, 1:], dim=-1) @ pair.T
        maps.append((cosines / kead.temperature).softmax(-1)[..., 1])
    cosines = F.normalize(embedding, dim=-1) @ pair.T
    scores = (cosines / kead.temperature).softmax(-1)[..., 1]
    height, width = kead.path.grid
    return torch.stack(maps).mean(0).view(-1, height, width), scores
