"""A CLIP with what goes with it: tokenizer and normalisation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import open_clip
from torch import Tensor

from mmcvgssl.models.teachers.open_clip_teacher import create_clip


@dataclass(frozen=True)
class ClipParts:
    """A CLIP, and how it takes texts and images.

    Args:
        clip: The open_clip model.
        source: Its architecture, or ``'injected'``.
        tokenizer: Texts to numbers.
        mean: Mean of RGB channels in [0, 1].
        std: Standard deviation of RGB channels in [0, 1].
    """

    clip: Any
    source: str
    tokenizer: Callable[[list[str]], Tensor]
    mean: Sequence[float]
    std: Sequence[float]


def clip_parts(
    model_name: str,
    pretrained: str | None,
    checkpoint: str | None,
    allow_random: bool,
    clip: Any,
    tokenizer: Callable[[list[str]], Tensor] | None,
) -> ClipParts:
    """Take or create a CLIP; see :class:`KeAD` for the arguments.

    Raises:
        ValueError: If there are no weights.
        FileNotFoundError: If the checkpoint is missing.
    """
    source = 'injected'
    if clip is None:
        source = model_name
        clip = create_clip(
            model_name, pretrained, checkpoint, allow_random, owner='KeAD'
        )
        tokenizer = tokenizer or open_clip.get_tokenizer(model_name)
    elif tokenizer is None:
        length = clip.context_length
        tokenizer = partial(open_clip.tokenize, context_length=length)
    data = open_clip.get_model_preprocess_cfg(clip)
    return ClipParts(
        clip,
        source,
        tokenizer,
        data.get('mean') or open_clip.OPENAI_DATASET_MEAN,
        data.get('std') or open_clip.OPENAI_DATASET_STD,
    )
