"""A second path of V-V attention beside the blocks of a CLIP image tower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from open_clip.transformer import ResidualAttentionBlock, VisionTransformer
from torch import Tensor, nn

from mmcvgssl.models.layers import filtered, linear, two_layers

_SUPPORTED = (
    "open_clip's own vision transformers with a class token and plain "
    "attention, such as 'ViT-B-16-plus-240', 'ViT-B-32', 'ViT-B-16', "
    "'ViT-L-14' or their '-quickgelu' kinds"
)


class VVAttention:
    """Runs an image tower with a second path of V-V attention.

    V-V attention takes the values of a block as queries and keys, too, so
    that a patch gathers from patches like itself. Values are those of the
    normal path, whose projections are computed once for both; what a block
    gives is added to the second path's own stream, which starts from the
    normal one and skips the MLPs. The tower itself is only read.

    Source: "CLIP Surgery for Better Explainability with Enhancement in
    Open-Vocabulary Tasks", https://arxiv.org/abs/2304.05653.

    Args:
        visual: The image tower of an open_clip model.
        feature_blocks: Blocks to take features of, counted from 1; by
            default at a quarter, half, three quarters and all of the depth:
            3, 6, 9 and 12 of 12. A block named several times gives its
            features so often, and counts so often in a mean over blocks.
        vv_blocks: How many of the last blocks have the second path; by
            default all after the first quarter: the last 9 of 12.
        residual: Whether the second path has a stream; otherwise a block's
            feature is its V-V attention alone.
        input_size: Height and width in pixels.

    Attributes:
        grid: Height and width in patches.
        first: The first block with a second path, counted from 1.

    Raises:
        ValueError: If the tower is of another kind, or an option is out of
            range.

    Example:
        >>> visual = VisionTransformer(32, 8, 16, 4, 2, 4.0, output_dim=24)
        >>> path = VVAttention(visual)
        >>> features, embedding = path(torch.rand(2, 3, 32, 32))
        >>> features.shape, embedding.shape
        (torch.Size([4, 2, 17, 24]), torch.Size([2, 24]))
    """

    def __init__(
        self,
        visual: nn.Module,
        feature_blocks: Sequence[int] | None = None,
        vv_blocks: int | None = None,
        residual: bool = True,
        input_size: int | Sequence[int] | None = None,
    ) -> None:
        self.visual: Any = require_supported(visual)
        depth = len(self.visual.transformer.resblocks)
        quarters = quarter_blocks(depth)
        chosen = quarters if feature_blocks is None else sorted(feature_blocks)
        if not chosen or not set(chosen) <= set(range(1, depth + 1)):
            raise ValueError(
                f'feature_blocks are numbers from 1 to {depth}, got '
                f'{feature_blocks}'
            )
        self.feature_blocks = tuple(chosen)
        if vv_blocks is None:
            vv_blocks = max(depth - quarters[0], 1)
        if not 0 <= vv_blocks <= depth:
            raise ValueError(
                f'vv_blocks is between 0 and {depth}, got {vv_blocks}'
            )
        self.vv_blocks = vv_blocks
        self.first = depth - vv_blocks + 1
        self.residual = residual
        self.input_size = self._check_size(input_size)
        height, width = self.visual.patch_size
        self.grid = (self.input_size[0] // height, self.input_size[1] // width)

    def _check_size(self, size: int | Sequence[int] | None) -> tuple[int, int]:
        if size is None:
            return self.visual.image_size
        pair = (size, size) if isinstance(size, int) else tuple(size)
        patch = self.visual.patch_size
        if len(pair) != 2 or any(
            s < p or s % p for s, p in zip(pair, patch, strict=True)
        ):
            raise ValueError(
                'input_size is one number or (height, width), multiples of '
                f'the patch size {patch}, got {size}'
            )
        return pair

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Run both paths.

        Args:
            images: Normalised, [N, 3, H, W], of the input size.

        Returns:
            Features [S, N, 1 + L, D] of the feature blocks, class token
            first, after the final LayerNorm and the projection, and the
            image embedding [N, D] of the normal path.
        """
        visual, last = self.visual, self.feature_blocks[-1]
        blocks = visual.transformer.resblocks
        x = self._embed(images)
        stream: Tensor | None = None
        features = []
        for number, block in enumerate(blocks, 1):
            wanted = number in self.feature_blocks
            in_path = self.first <= number <= last
            if not in_path or not (wanted or self.residual):
                x = self._run_block(block, x)
            else:
                if stream is None:
                    stream = x
                # the embedding needs only the last class token
                keep = 1 if self._ends_at(number) else None
                x, value = run_both(block, x, keep)
                stream = stream + value if self.residual else value
            if wanted:
                features.append(x if stream is None else stream)
        tokens = visual.ln_post(torch.stack(features)) @ visual.proj
        return tokens[self._repeats], self._pool(x) @ visual.proj

    @property
    def _repeats(self) -> list[int]:
        """Which of the blocks that differ gives each feature."""
        different = list(dict.fromkeys(self.feature_blocks))
        return [different.index(block) for block in self.feature_blocks]

    def _ends_at(self, number: int) -> bool:
        depth = len(self.visual.transformer.resblocks)
        return number == depth and self.visual.pool_type == 'tok'

    def _run_block(self, block: nn.Module, x: Tensor) -> Tensor:
        """Run a block of the tower on tokens [N, T, C]."""
        if self.visual.transformer.batch_first:
            return block(x)
        return block(x.transpose(0, 1)).transpose(0, 1)

    def _embed(self, images: Tensor) -> Tensor:
        """Turn images into tokens [N, 1 + L, C]."""
        visual = self.visual
        x = visual.conv1(images.to(visual.conv1.weight.dtype))
        x = x.flatten(2).transpose(1, 2)
        first = visual.class_embedding.to(x.dtype).expand(x.shape[0], 1, -1)
        x = torch.cat([first, x], dim=1)
        position = resize_positions(
            visual.positional_embedding, visual.grid_size, self.grid
        )
        return visual.ln_pre(x + position.to(x.dtype))

    def _pool(self, x: Tensor) -> Tensor:
        """Turn the last tokens [N, T, C] into [N, C], as the tower does."""
        visual = self.visual
        if visual.pool_type == 'tok':
            return visual.ln_post(x[:, 0])
        if visual.final_ln_after_pool:
            return visual.ln_post(x[:, 1:].mean(1))
        return visual.ln_post(x)[:, 1:].mean(1)


def run_both(
    block: ResidualAttentionBlock, x: Tensor, keep: int | None = None
) -> tuple[Tensor, Tensor]:
    """Run a block and its V-V attention from one projection.

    Args:
        block: A block of the tower.
        x: Tokens of the normal path, [N, T, C].
        keep: How many tokens of the normal path are needed; None: all.

    Returns:
        The normal path's tokens [N, keep, C] and what V-V attention adds to
        the other path, [N, T, C].
    """
    attn = block.attn
    n_heads = attn.num_heads
    inner = block.ln_1(x)
    q_weight, kv_weight = split_projection(attn.in_proj_weight)
    q_bias, kv_bias = split_projection(attn.in_proj_bias)
    q = linear(inner[:, :keep], q_weight, q_bias)
    k, v = linear(inner, kv_weight, kv_bias).chunk(2, dim=-1)
    q, k, v = (
        t.unflatten(-1, (n_heads, -1)).transpose(1, 2) for t in (q, k, v)
    )
    projection = attn.out_proj.weight, attn.out_proj.bias
    normal, value = (
        block.ls_1(linear(heads.transpose(1, 2).flatten(2), *projection))
        for heads in (
            F.scaled_dot_product_attention(q, k, v),
            F.scaled_dot_product_attention(v, v, v),
        )
    )
    x = x[:, :keep] + normal
    return x + block.ls_2(two_layers(block.mlp, block.ln_2(x))), value


def split_projection(joint: Tensor) -> tuple[Tensor, Tensor]:
    """Split weights of Q, K and V into those of Q and those of K and V."""
    width = len(joint) // 3
    return joint[:width], joint[width:]


def quarter_blocks(depth: int) -> list[int]:
    """Number the blocks at 1/4, 1/2, 3/4 and 1 of the depth, from 1."""
    return sorted({max((i * depth + 2) // 4, 1) for i in range(1, 5)})


def resize_positions(
    positions: Tensor, old: Sequence[int], new: Sequence[int]
) -> Tensor:
    """Interpolate a positional embedding, except the class token's.

    Args:
        positions: [1 + old h * old w, C], class token first.
        old: Height and width of the grid in patches.
        new: Height and width wanted.
    """
    if tuple(old) == tuple(new):
        return positions
    first, rest = positions[:1], positions[1:]
    grid = at_least_float(rest.T.unflatten(1, tuple(old))[None])
    grid = filtered(grid, new, 'bicubic')
    return torch.cat([first, grid[0].flatten(1).T.to(first.dtype)])


def at_least_float(x: Tensor) -> Tensor:
    """Convert half precision to float32; leave others as they are."""
    return x if x.dtype == torch.float64 else x.float()


def require_supported(visual: nn.Module) -> VisionTransformer:
    """Return the tower.

    Raises:
        ValueError: If there is no V-V path beside it; names what there is.
    """
    reason = ''
    if not isinstance(visual, VisionTransformer):
        reason = f'this image tower is a {type(visual).__name__}'
    elif visual.attn_pool is not None:
        reason = 'this image tower pools by attention'
    elif visual.pool_type not in ('tok', 'avg'):
        reason = f'this image tower has pool_type={visual.pool_type!r}'
    elif visual.proj is None:
        reason = 'this image tower has no projection'
    else:
        kinds = {type(b) for b in visual.transformer.resblocks}
        if kinds != {ResidualAttentionBlock}:
            names = ', '.join(sorted(kind.__name__ for kind in kinds))
            reason = f'this image tower has blocks of type {names}'
    if reason:
        raise ValueError(f'KeAD supports {_SUPPORTED}; {reason}')
    return visual


class ImageSide(nn.Module):
    """A CLIP without its text tower.

    Args:
        visual: The image tower.
    """

    def __init__(self, visual: nn.Module) -> None:
        super().__init__()
        self.visual = visual
