"""Anomaly maps by comparing patches with words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from mmcvgssl.datasets.transforms import LoadImage
from mmcvgssl.models.anomaly.categories import Categories
from mmcvgssl.models.anomaly.clip_parts import clip_parts
from mmcvgssl.models.anomaly.fitting_images import FittingImages
from mmcvgssl.models.anomaly.normal_images import (
    FirstOfEach,
    NormalImages,
    distances,
    memories,
)
from mmcvgssl.models.anomaly.prompts import refuse_tiles
from mmcvgssl.models.anomaly.state_forms import Form, Forms
from mmcvgssl.models.anomaly.stored_words import StoredWords
from mmcvgssl.models.anomaly.text_cache import (
    FixedTexts,
    TextCache,
    model_digest,
)
from mmcvgssl.models.anomaly.tiled_images import TiledImages, image_by_image
from mmcvgssl.models.anomaly.vv_attention import (
    VVAttention,
    at_least_float,
)
from mmcvgssl.models.anomaly.word_maps import (
    compare_with_words,
    direction_of_words,
)
from mmcvgssl.models.layers import resize_images
from mmcvgssl.processes import on_first_process, tensors_of_first_process
from mmcvgssl.registry import MODELS
from mmcvgssl.utils import check_least

_AUTOCAST = {
    None: None,
    'bfloat16': torch.bfloat16,
    'float16': torch.float16,
}


@MODELS.register_module()
class KeAD(StoredWords):
    """Knowledge-enhanced anomaly detection by a CLIP.

    Patches are compared with text features of a normal and of an anomalous
    object, at several depths of a second path with V-V attention. With ``k``
    normal images for each category, the distance to the nearest of their
    patches is added.

    Source: "Advancing Metallic Surface Defect Detection via Anomaly-Guided
    Pretraining on a Large Industrial Dataset",
    https://arxiv.org/abs/2509.18919.

    The normal images are the first ``k`` images that the knowledge file lists
    for a category. For a category without a list, they are the first ``k`` of
    the fitting images.

    Args:
        model_name: An open_clip architecture with a vision transformer.
        pretrained: A tag of open_clip to download: ``'laion400m_e32'``.
        checkpoint: A local file instead.
        allow_random: Permit a CLIP without weights, for tests of mechanics.
        clip: A ready open_clip model to use instead of creating one.
        tokenizer: Tokenizer of ``clip``: texts to numbers; by default
            open_clip's.
        knowledge: A shipped name, the path of a YAML or JSON file, or its
            content: see :func:`load_knowledge`.
        category: Category of images whose data sample names none; by default
            the only one of ``knowledge``.
        input_size: Height and width in pixels that images are resized to;
            by default the size that the CLIP was trained with.
        feature_blocks: See :class:`VVAttention`.
        vv_blocks: See :class:`VVAttention`.
        residual: See :class:`VVAttention`.
        temperature: Temperature of the soft-max.
        k: Normal images a category; 0: words alone, nothing to fit.
        autocast: ``'bfloat16'`` or ``'float16'`` for the image tower, which
            an accelerator gains from; None leaves it as it is.
        cache_dir: Folder of text features; None: in memory only.
        depth_range: Range of values of normal images that the knowledge file
            names, see :func:`read_image`.
        **kwargs: Options of :class:`AnomalyModel`.

    Raises:
        ValueError: If there are no weights, the image tower is of another
            kind, or an option is out of range.
        FileNotFoundError: If checkpoint or knowledge file is missing.
        KnowledgeError: If the knowledge file does not have the format.

    Example:
        >>> import open_clip
        >>> clip = open_clip.CLIP(
        ...     16,
        ...     open_clip.CLIPVisionCfg(
        ...         layers=4,
        ...         width=16,
        ...         head_width=8,
        ...         patch_size=8,
        ...         image_size=32,
        ...     ),
        ...     dict(width=16, heads=2, layers=1),
        ... )
        >>> model = KeAD(clip=clip, knowledge='steel_strip')
        >>> maps, scores = model(torch.rand(2, 3, 32, 32))
        >>> maps.shape, scores.shape
        (torch.Size([2, 4, 4]), torch.Size([2]))
    """

    def __init__(
        self,
        model_name: str = 'ViT-B-16-plus-240',
        pretrained: str | None = None,
        checkpoint: str | None = None,
        allow_random: bool = False,
        clip: Any = None,
        tokenizer: Callable[[list[str]], Tensor] | None = None,
        *,
        knowledge: str | Path | Mapping[str, Any],
        category: str | None = None,
        input_size: int | Sequence[int] | None = None,
        feature_blocks: Sequence[int] | None = None,
        vv_blocks: int | None = None,
        residual: bool = True,
        temperature: float = 0.07,
        k: int = 0,
        autocast: str | None = None,
        cache_dir: str | Path | None = None,
        depth_range: tuple[float, float] | None = None,
        **kwargs,
    ) -> None:
        if temperature <= 0:
            raise ValueError(f'temperature is positive, got {temperature}')
        check_least(k=(k, 0))
        if autocast not in _AUTOCAST:
            raise ValueError(
                f'autocast is one of {", ".join(map(str, _AUTOCAST))}, got '
                f'{autocast!r}'
            )
        category = category or None
        categories = Categories(knowledge, category)
        parts = clip_parts(
            *(model_name, pretrained, checkpoint, allow_random),
            *(clip, tokenizer),
        )
        clip = parts.clip
        path = VVAttention(
            clip.visual, feature_blocks, vv_blocks, residual, input_size
        )
        digest = model_digest(clip)
        settings = dict(
            clip=parts.source,
            weights=digest,
            prompts=categories.digest,
            category=category,
            mean=list(parts.mean),
            std=list(parts.std),
            input_size=list(path.input_size),
            feature_blocks=list(path.feature_blocks),
            vv_blocks=path.vv_blocks,
            residual=residual,
            temperature=temperature,
            k=k,
            autocast=autocast,
            normal_images=categories.image_digests(k),
        )
        super().__init__(settings, **kwargs)
        self.clip = clip.eval().requires_grad_(False)
        self.categories = categories
        self.knowledge, self.prompts = categories.facts, categories.prompts
        self.temperature, self.k = temperature, k
        self.load = LoadImage(depth_range)
        self.needs_fit = k > 0
        self.autocast = _AUTOCAST[autocast]
        self.path = path
        self.texts: TextCache | FixedTexts = TextCache(
            clip, parts.tokenizer, digest, cache_dir
        )
        for name in ('mean', 'std'):
            values = torch.tensor(getattr(parts, name))
            self.register_buffer(name, values.view(-1, 1, 1))
        self.training = False

    @property
    def category(self) -> str | None:
        """Category of images whose data sample names none."""
        return self.categories.default

    @category.setter
    def category(self, name: str | None) -> None:
        self.categories.default = name

    def train(self, mode: bool = True) -> KeAD:
        """Stay in eval mode."""
        return super().train(False)

    def preprocess(self, images: Tensor) -> Tensor:
        """Resize and normalise images in [0, 1], [N, 3 or 1, H, W]."""
        if images.ndim != 4 or images.shape[1] not in (1, 3):
            raise ValueError(
                'expected RGB or grey images [N, 3 or 1, H, W] in [0, 1], '
                f'got {tuple(images.shape)}'
            )
        images = at_least_float(images).expand(-1, 3, -1, -1)
        images = resize_images(images, self.path.input_size)
        return (images - self.mean) / self.std

    @torch.no_grad()
    def encode_patches(self, images: Tensor) -> list[Tensor]:
        """Return features [N, 1 + L, D] of each feature block.

        The class token comes first. They are those of the V-V path where it
        exists, else of the normal one, after the final LayerNorm and the
        visual projection, and not normalised.

        Args:
            images: RGB [N, 3, H, W] in [0, 1], of any size.
        """
        return list(self._encode(images)[0])

    def _encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return features [S, N, 1 + L, D] and image embeddings [N, D]."""
        images = self.preprocess(images)
        context = (
            nullcontext()
            if self.autocast is None
            else torch.autocast(images.device.type, self.autocast)
        )
        with context:
            tokens, embedding = self.path(images)
        return at_least_float(tokens), at_least_float(embedding)

    def text_features(self, category: str) -> tuple[Tensor, Tensor, Tensor]:
        """Return (normal, anomalous, redundant) text features, each [D].

        All have unit length. The redundant feature has not been subtracted
        yet: maps compare with ``normal - redundant`` and ``anomalous -
        redundant``, brought to unit length.

        Raises:
            ValueError: If the category is not known.
        """
        self.categories.require(category)
        normal, anomalous, redundant = self.texts(self.prompts[category])
        return normal, anomalous, redundant

    @torch.no_grad()
    def predict_maps(
        self, images: Tensor, categories: str | Sequence[str] | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return maps and image scores.

        Args:
            images: RGB [N, 3, H, W] in [0, 1], of any size.
            categories: Categories of all images, or one for each; by default
                ``category``.

        Returns:
            Maps [N, h, w] and scores [N]: in (0, 1), maps in (0, 2) with
            normal images.

        Raises:
            ValueError: If a category is not known.
            FittedStateError: If it has no normal images although ``k`` > 0.
        """
        # of one category, whatever the number of images
        one = categories is None or isinstance(categories, str)
        names = self.categories.of_images(
            categories, 1 if one else len(images)
        )
        tokens, embedding = self._encode(images)
        with torch.autocast(images.device.type, enabled=False):
            patches = F.normalize(tokens[:, :, 1:], dim=-1)
            embedding = F.normalize(embedding, dim=-1)
            known = {name: self._direction(name) for name in set(names)}
            direction = torch.stack([known[n] for n in names]).to(patches)
            maps, scores = compare_with_words(patches, embedding, direction)
            if self.k:
                maps = maps + distances(patches, names, self.state, self.k)
                scores = (scores + maps.amax(1)) / 2
        return maps.unflatten(1, self.path.grid), scores

    def state_forms(self, names: Iterable[str]) -> Forms:
        """Return the forms of memories [M, D], by category and block."""
        # categories without images have no memory
        blocks = range(len(self.path.feature_blocks))
        seen = {name.rpartition('/')[0] for name in names}
        known = [n for n in self.knowledge if n in seen] or self.knowledge
        # images in tiles give several grids of patches each
        width = self.path.visual.output_dim
        forms = {n: Form((f'{n}.M', width), None) for n in known}
        return {f'{n}/{i}': forms[n] for n in known for i in blocks if self.k}

    def rounding(self) -> tuple[float, float]:
        """Return the largest rounding errors of maps and scores."""
        step = torch.finfo(self.autocast or torch.float32).eps
        # a cosine over the temperature; the slope of a sigmoid is 1/4 at most
        least = 4 * step / self.temperature / 4
        return least, least

    def _direction(self, category: str) -> Tensor:
        """Return the difference of the text features, over the temperature."""
        return direction_of_words(
            *self.text_features(category), self.temperature
        )

    def _predict(
        self, images: Tensor, data_samples: Sequence
    ) -> tuple[Tensor, Tensor]:
        names = self.categories.of_samples(data_samples)
        return self.predict_maps(images, names)

    def _raw(
        self, inputs: Tensor | TiledImages, data_samples: Sequence
    ) -> tuple[Tensor, Tensor]:
        if isinstance(inputs, TiledImages):
            refuse_tiles(self.knowledge, self.k)
        return super()._raw(inputs, data_samples)

    def _fit(self, images: FittingImages) -> None:
        """Store the patches of k normal images of each category."""
        named = self.categories.normal_images(self.k)
        missing = set(self.knowledge) - set(named)
        known, found = NormalImages(), NormalImages()
        on_first_process(lambda: known.read(named, self._read))
        if missing:
            self._pass(
                images,
                'fitting',
                lambda inputs, samples, names: (
                    names,
                    image_by_image(inputs, samples, self._memorise),
                ),
                lambda made: found.add(*made),
                {'images': found},
                FirstOfEach(self.k, missing, self.categories.complete),
                whole=True,
            )
        self.state = tensors_of_first_process(
            lambda: memories(
                {**known.by_category, **found.by_category}, self.k
            ),
            self.device,
        )

    def _measure(self, images: FittingImages, apart: bool) -> None:
        """Leave out the images that the knowledge file lists as normal."""
        learned = {
            os.path.realpath(path)
            for paths in self.categories.normal_images(self.k).values()
            for path in paths
        }
        images = replace(images, without=frozenset(learned))
        super()._measure(images, apart)

    def _memorise(self, image: Tensor) -> Tensor:
        """Return patch features [S, L, D] of an image [1, 3, H, W]."""
        return self._encode(image)[0][:, 0, 1:]

    def _read(self, path: str) -> Tensor:
        """Return patch features [S, L, D] of an image file."""
        bgr = torch.from_numpy(self.load({'img_path': path})['img'])
        rgb = bgr.flip(-1).permute(2, 0, 1)[None]
        return self._memorise(rgb.to(self.device).float() / 255)
