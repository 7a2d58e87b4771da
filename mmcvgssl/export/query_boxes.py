"""DINO as a graph: boxes and scores of all queries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mmcvgssl.export.dense_boxes import BoxRules
from mmcvgssl.export.graph import InputLayer


class LevelSizes(list):
    """Heights and widths of levels, as the host's attention reads them.

    It walks through them, which a graph can do with plain numbers alone, and
    else takes them for a tensor [L, 2].

    Args:
        sizes: Height and width of each.
    """

    def __init__(self, sizes: Iterable[tuple[int, int]]) -> None:
        super().__init__((int(h), int(w)) for h, w in sizes)

    def __getitem__(self, key: Any) -> Any:
        """Return a level, or a column: what is compared, of NumPy."""
        if not isinstance(key, tuple):
            return super().__getitem__(key)
        rows, column = key
        values = [size[column] for size in self]
        return torch.tensor(values) if rows is ... else np.array(values)


class QueryBoxes(nn.Module):
    """Boxes and scores of DINO, of all queries.

    The parts are those of the detector; only how they follow on each other
    is said here, for images of one size, without padding.

    Args:
        model: The detector.
        size: Height and width of the input, pixels.

    Raises:
        ValueError: If the model pads images of this size.
    """

    positions: Tensor
    starts: Tensor
    says = (
        'boxes of all queries [N, P, 4]: x1, y1, x2, y2 in pixels of the '
        'input',
        'scores of the classes [N, P, C], in [0, 1]',
    )

    def __init__(self, model: Any, size: tuple[int, int]) -> None:
        super().__init__()
        self.input = InputLayer(model.data_preprocessor)
        if self.input.padded(size) != size:
            raise ValueError(
                'DINO is exported for images that the model does not pad, '
                f'got {size[0]} x {size[1]} pixels, padded to '
                f'{self.input.padded(size)}; set model.data_preprocessor.'
                'pad_size_divisor=1, or another scale of the images'
            )
        self.model, self.size = model, size
        with torch.no_grad():
            features = model.extract_feat(torch.zeros(1, 3, *size))
            codes = [
                model.positional_encoding(None, input=level).flatten(2)
                + model.level_embed[i][None, :, None]
                for i, level in enumerate(features)
            ]
        self.sizes = LevelSizes(level.shape[-2:] for level in features)
        position_codes = torch.cat(codes, 2).transpose(1, 2)
        self.register_buffer('positions', position_codes)
        counts = torch.tensor([h * w for h, w in self.sizes])
        self.register_buffer('starts', counts.cumsum(0) - counts)

    @staticmethod
    def takes(model: Any) -> bool:
        """Whether a detector is one of these."""
        head: Any = getattr(model, 'bbox_head', None)
        encoding = getattr(model, 'positional_encoding', None)
        return (
            type(model).__name__ == 'DINO'
            and type(head).__name__ == 'DINOHead'
            and type(encoding).__name__ == 'SinePositionalEncoding'
            and head.loss_cls.use_sigmoid
        )

    @staticmethod
    def rules(model: Any, source: str) -> BoxRules:
        """Return how boxes are chosen of the outputs: without NMS."""
        most = int(model.test_cfg.get('max_per_img', model.num_queries))
        return BoxRules(
            score_threshold=-1.0,
            iou_threshold=None,
            candidates=most,
            most=most,
            several=True,
        )

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes [N, P, 4] and scores [N, P, C]."""
        model, head = self.model, self.model.bbox_head
        features = model.extract_feat(self.input(images))
        flat = [level.flatten(2).transpose(1, 2) for level in features]
        count = images.shape[0]
        sizes: dict[str, Any] = {
            'spatial_shapes': self.sizes,
            'level_start_index': self.starts,
            'valid_ratios': flat[0].new_ones(count, len(flat), 2),
        }
        memory = model.forward_encoder(
            feat=torch.cat(flat, 1),
            feat_mask=None,
            feat_pos=self.positions.expand(count, -1, -1),
            **sizes,
        )
        start, _ = model.pre_decoder(**memory)
        states, references = model.decoder(
            query=start['query'],
            value=start['memory'],
            key_padding_mask=None,
            self_attn_mask=None,
            reference_points=start['reference_points'],
            reg_branches=head.reg_branches,
            **sizes,
        )
        scores, boxes = head(states, [*references])
        centre, extent = boxes[-1].chunk(2, -1)
        corners = torch.cat([centre - extent / 2, centre + extent / 2], -1)
        height, width = self.size
        scaled = corners * corners.new_tensor([width, height] * 2)
        return scaled, scores[-1].sigmoid()
