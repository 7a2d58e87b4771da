"""The image tower of a CLIP model as a teacher."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from mmcvgssl.models.teachers.clip_files import check_published
from mmcvgssl.models.teachers.frozen_teacher import FrozenTeacher
from mmcvgssl.registry import MODELS
from mmcvgssl.weights import WeightsError, check_values
from mmcvgssl.weights.packages import FALLBACK
from mmcvgssl.weights.torchscript import is_torchscript, read_torchscript


@MODELS.register_module()
class OpenCLIPTeacher(FrozenTeacher):
    """A frozen image tower of open_clip, without the text tower.

    Source: "Learning Transferable Visual Models From Natural Language
    Supervision", https://arxiv.org/abs/2103.00020.

    Args:
        model_name: An open_clip architecture, such as ``'RN50'``.
        pretrained: A tag of open_clip to download, such as ``'openai'``.
        checkpoint: A local file instead: open_clip's ``.safetensors`` or
            ``.pt``, or OpenAI's own archive (``RN50.pt``).
        levels: Indices of transformer blocks, or of stem and stages.
        allow_random: Permit a tower without weights, for tests of mechanics.
        tower: A ready ``visual`` module to use instead of creating one.

    Raises:
        ValueError: If there are no weights and ``allow_random`` is not set.
        FileNotFoundError: If the checkpoint file is missing.
        WeightsError: If a download fails or weights do not fit.

    Example:
        >>> import torch
        >>> from open_clip.transformer import VisionTransformer
        >>> tower = VisionTransformer(32, 16, 64, 1, 2, 4.0, output_dim=24)
        >>> teacher = OpenCLIPTeacher(tower=tower)  # or pretrained='openai'
        >>> teacher(torch.rand(2, 3, 48, 48)).shape
        torch.Size([2, 24])
    """

    def __init__(
        self,
        model_name: str = 'RN50',
        pretrained: str | None = None,
        checkpoint: str | None = None,
        levels: Sequence[int] = (),
        allow_random: bool = False,
        tower: nn.Module | None = None,
    ) -> None:
        if tower is None:
            tower = create_clip(
                model_name,
                pretrained,
                checkpoint,
                allow_random,
                owner=type(self).__name__,
                fallback=FALLBACK,
            ).visual
        data = open_clip.get_model_preprocess_cfg(_Holder(tower))
        super().__init__(
            tower,
            mean=data.get('mean') or open_clip.OPENAI_DATASET_MEAN,
            std=data.get('std') or open_clip.OPENAI_DATASET_STD,
            input_size=data.get('size', tower.image_size),
            levels=levels,
            interpolation='bicubic',
        )

    def _run(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        if not self.levels:
            return [], self.network(images)
        out = self.network.forward_intermediates(
            images, indices=list(self.levels), output_fmt='NCHW'
        )
        return out['image_intermediates'], out['image_features']


class _Holder:
    """What open_clip's accessors expect around a ``visual`` module."""

    def __init__(self, visual: nn.Module) -> None:
        self.visual = visual


def create_clip(
    name: str,
    pretrained: str | None,
    checkpoint: str | None,
    allow_random: bool,
    owner: str,
    fallback: str = '',
) -> Any:
    """Make a CLIP model, image and text tower, with weights.

    Args:
        name: An open_clip architecture.
        pretrained: A tag of open_clip to download.
        checkpoint: A local file instead.
        allow_random: Permit a model without weights.
        owner: Who has these options, for messages.
        fallback: Advice if there are no weights, for messages.

    Raises:
        ValueError: If there are no weights and ``allow_random`` is not set.
        FileNotFoundError: If the checkpoint file is missing.
        WeightsError: If a download fails, weights do not fit, or a file has
            the name of a published one, but not its content.
    """
    if checkpoint is not None:
        path = Path(checkpoint)
        if not path.is_file():
            raise FileNotFoundError(
                f'`checkpoint` of {owner}({name!r}) names {path}, '
                f'which does not exist. {fallback}'.strip()
            )
        check_published(path, name)
        if is_torchscript(path):
            return _from_archive(name, path)
    elif pretrained is None and not allow_random:
        raise ValueError(
            f'{owner}({name!r}) has no weights, and a random CLIP knows '
            'nothing: set `pretrained` to a tag to download or '
            f'`checkpoint` to a local file. {fallback}'.strip()
        )
    log = logging.getLogger()
    level = log.level
    log.setLevel(
        max(level, logging.ERROR)
    )  # hides "initialized randomly", which is wanted
    source = str(checkpoint) if checkpoint else pretrained
    try:
        clip = open_clip.create_model(name, pretrained=source)
    except Exception as error:
        raise WeightsError(
            f'open_clip could not make {name!r} with '
            f'{checkpoint or pretrained!r}: {error}. Without a network set '
            '`checkpoint` to a local file (list of tags: '
            f'open_clip.list_pretrained()). {fallback}'.strip()
        ) from error
    finally:
        log.setLevel(level)
    if source:
        check_values(clip.state_dict(), f'{name} of {source}')
    return clip


def _from_archive(name: str, path: Path) -> Any:
    """Make a CLIP model of OpenAI's own archive, if it is the named one."""
    state = read_torchscript(path)
    check_values(state, str(path))
    try:
        clip = open_clip.model.build_model_from_openai_state_dict(
            state, cast_dtype=torch.float32
        ).float()
    except (LookupError, RuntimeError, ValueError) as error:
        text = ' '.join(f'{type(error).__name__}: {error}'.split())[:300]
        raise WeightsError(
            f"{path} does not hold one of OpenAI's CLIP models: {text}"
        ) from error
    check_values(clip.state_dict(), str(path))
    wanted = open_clip.get_model_config(name) or {}
    vision = wanted.get('vision_cfg', {})
    sizes = {
        'embed_dim': (wanted.get('embed_dim'), clip.text_projection.shape[1]),
        'image_size': (vision.get('image_size'), clip.visual.image_size[0]),
    }
    if 'visual.proj' in state:  # a ViT
        patch = state['visual.conv1.weight'].shape[-1]
        sizes['patch_size'] = vision.get('patch_size'), patch
    for key, (here, there) in sizes.items():
        if here is not None and here != there:
            raise WeightsError(
                f'{path} holds a CLIP model of {key}={there}, but {name!r} '
                f'has {here}; name the model that the file holds'
            )
    return clip
