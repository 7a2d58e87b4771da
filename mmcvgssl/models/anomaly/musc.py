"""Mutual scoring of the images of an unlabelled collection."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

from mmcvgssl.models.anomaly.anomaly_model import AnomalyModel
from mmcvgssl.models.anomaly.fitting_images import FittingImages
from mmcvgssl.models.anomaly.identities import identities, with_identities
from mmcvgssl.models.anomaly.image_scores import highest
from mmcvgssl.models.anomaly.neighbours import distance_rounding
from mmcvgssl.models.anomaly.patch_features import (
    PatchFeatures,
    as_grid,
    as_rows,
    describe,
)
from mmcvgssl.models.anomaly.quantised_images import QuantisedImages
from mmcvgssl.models.anomaly.references import Draw, References
from mmcvgssl.models.anomaly.state_forms import Form, Forms
from mmcvgssl.models.anomaly.tiled_images import TiledImages
from mmcvgssl.models.teachers import FrozenTeacher
from mmcvgssl.processes import tensors_of_first_process
from mmcvgssl.registry import MODELS
from mmcvgssl.utils import check_least


@MODELS.register_module()
class MuSc(AnomalyModel):
    """Distance of each patch to the most similar ones of other images.

    Source: "MuSc: Zero-Shot Industrial Anomaly Classification and
    Segmentation with Mutual Scoring of the Unlabeled Images", ICLR 2024,
    https://arxiv.org/abs/2401.16753.

    Reference images are drawn from the collection at random. The distance of
    a patch to a reference is its distance to the nearest patch there. The
    value of a patch is the mean distance to the share of references that are
    nearest. The method needs neither labels nor normal images.

    Args:
        teacher: A frozen teacher with ``levels``, or its config.
        references: Images drawn, or tiles of as many images as there are;
            memory is references * h * w * D numbers, of 3 bytes, a side of
            ``neighbourhoods``.
        share: Share of the references that are averaged over, the nearest
            ones.
        neighbourhoods: Sides of the averages of features; values are
            averaged over them.
        top: Share of the highest patches that makes the image score.
        normalise: See :class:`PatchFeatures`.
        grid: See :class:`PatchFeatures`.
        seed: Seed of the draw.
        **kwargs: Options of :class:`AnomalyModel`.

    Raises:
        ValueError: If an option is out of range, or the collection has but
            one image.

    Example:
        >>> from mmpretrain.structures import DataSample
        >>> from mmcvgssl.models import HostTeacher
        >>> conv = nn.Conv2d(3, 8, 4, 4)
        >>> model = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.MuSc',
        ...         teacher=HostTeacher(conv, input_size=32, levels=[0]),
        ...     )
        ... )
        >>> images = torch.randint(256, (4, 3, 32, 32), dtype=torch.uint8)
        >>> samples = [DataSample(img_path=f'{i}.png') for i in range(4)]
        >>> model.fit([dict(inputs=list(images), data_samples=samples)])
        >>> maps, scores = model(images.float() / 255, samples)
        >>> maps.shape, scores.shape
        (torch.Size([4, 8, 8]), torch.Size([4]))
    """

    needs_fit = True
    fits_on_collection = True

    def __init__(
        self,
        teacher: FrozenTeacher | dict,
        references: int = 100,
        share: float = 0.3,
        neighbourhoods: Sequence[int] = (1, 3, 5),
        top: float = 0.0,
        normalise: bool = True,
        grid: Sequence[int] | str | None = None,
        seed: int = 0,
        **kwargs,
    ) -> None:
        check_least(references=(references, 2), seed=(seed, 0))
        if not 0 < share <= 1 or not 0 <= top <= 1:
            raise ValueError(
                'expected share in (0, 1] and top in [0, 1], got '
                f'{share} and {top}'
            )
        if not neighbourhoods:
            raise ValueError('expected at least one neighbourhood, got none')
        settings = dict(
            teacher=describe(teacher),
            references=references,
            share=share,
            neighbourhoods=list(neighbourhoods),
            top=top,
            normalise=normalise,
            grid=as_grid(grid),
            seed=seed,
            bits=8,  # maps differ from those of float32
        )
        super().__init__(settings, **kwargs)
        first = PatchFeatures(teacher, neighbourhoods[0], normalise, grid)
        self.scales = [first] + [
            PatchFeatures(first.teacher, side, normalise, grid)
            for side in neighbourhoods[1:]
        ]
        # registered once, for all scales
        self.teacher = first.teacher
        self.note_weights(self.teacher)
        self.references, self.share = references, share
        self.fit_sample, self.fit_seed = references, seed
        self.top, self.seed = top, seed
        # by scale, with the patches of the state that they are made of
        self._made: dict[int, tuple[Tensor, QuantisedImages]] = {}

    def _quantised(self, scale: int) -> QuantisedImages:
        """Return the references' patches in 8 bits, made once."""
        patches = self.state[f'patches.{scale}']
        if scale not in self._made or self._made[scale][0] is not patches:
            self._made[scale] = patches, QuantisedImages(patches)
        return self._made[scale][1]

    def frozen(self) -> dict[str, nn.Module]:
        """Return the teacher."""
        return {'teacher': self.teacher}

    def predict_maps(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Score images that are not among the references."""
        return self._score(images, None)

    def _predict(
        self, images: Tensor, data_samples: Sequence
    ) -> tuple[Tensor, Tensor]:
        return self._score(images, identities(data_samples))

    def _score(
        self, images: Tensor, names: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        levels = self.teacher.local_features(images)
        known = self.state['identities'].cpu()
        every = list(range(len(known)))
        # image by image, so that sums do not depend on the batch; a graph has
        # no loop over images, and all of them are strangers there
        parts = 1 if torch.onnx.is_in_onnx_export() else len(images)
        others = [every] * parts
        if names is not None:
            # where all images are copies of one, it is compared with them
            others = [
                row.nonzero()[:, 0].tolist() or every
                for row in names[:, None] != known
            ]
        made = []
        for i, scale in enumerate(self.scales):
            maps = scale.join(levels)
            known_patches = self._quantised(i)
            every_row = as_rows(maps)
            # one part is not cut, which would fix its size in a graph
            own = [every_row] if parts == 1 else every_row.chunk(parts)
            values = [
                self._rarity(known_patches.nearest(rows)[which])
                for rows, which in zip(own, others, strict=True)
            ]
            made.append(torch.cat(values))
        mean = torch.stack(made).mean(0)
        mean = mean.unflatten(0, (-1, *maps.shape[-2:]))
        return mean, highest(mean, self.top)

    def state_forms(self, names: Iterable[str]) -> Forms:
        """Return forms: identities [R] and, a scale, patches [R, L, D]."""
        forms = {'identities': Form(('R',), torch.int64)}
        for i, scale in enumerate(self.scales):
            forms[f'patches.{i}'] = Form(('R', 'L', sum(scale.widths)), None)
        return forms

    def rounding(self) -> tuple[float, float]:
        """Return the largest rounding errors of maps and scores."""
        scales = range(len(self.scales))
        least = max(
            max(distance_rounding(self.state[f'patches.{i}']) for i in scales),
            2 * max(self._quantised(i).step for i in scales),
        )
        return least, least

    def _rarity(self, squares: Tensor) -> Tensor:
        """Average the distances to the nearest images.

        Args:
            squares: Squared distances of patches to images, [R, L].
        """
        count = max(round(self.share * len(squares)), 1)
        if count < len(squares):
            squares = squares.topk(count, dim=0, largest=False).values
        return squares.sqrt().mean(0)

    def _fit(self, images: FittingImages) -> None:
        references = References(self.references)
        known = min(images.total or 1, self.references)
        each = math.ceil(self.references / known)

        def describe_images(
            inputs: Tensor | TiledImages, samples: list, keys: list[float]
        ) -> tuple[list[float], list[int], list[Tensor]]:
            samples = with_identities(inputs, samples)
            if not isinstance(inputs, TiledImages):
                return self._describe(inputs, samples, keys)
            drawn = inputs.drawn(each, seed=int(keys[0] * 2**52))
            # the first tile of every image comes before any second one, so
            # that references are of as many images as there are
            order = [keys[0] - i for i in range(len(drawn.images[0]))]
            made = [
                self._describe(tiles, owners, [])
                for tiles, owners in drawn.parts(samples)
            ]
            _, names, scales = zip(*made, strict=True)
            return (
                order,
                [name for part in names for name in part],
                [torch.cat(scale) for scale in zip(*scales, strict=True)],
            )

        self._pass(
            images,
            'fitting',
            describe_images,
            lambda made: references.add(*made),
            {'references': references},
            Draw(self.references, self.seed),
            whole=True,
        )

        def settle() -> dict[str, Tensor]:
            if references.images < 2:
                raise ValueError(
                    'MuSc compares an image with others: expected a '
                    f'collection of at least 2 images, got '
                    f'{references.images}'
                )
            return references.tensors()

        self.state = tensors_of_first_process(settle, self.device)

    def _describe(
        self, images: Tensor, samples: Sequence, keys: list[float]
    ) -> tuple[list[float], list[int], list[Tensor]]:
        """Return keys, identities and maps [N, D, h, w] a scale."""
        levels = self.teacher.local_features(images)
        scales = [scale.join(levels).half() for scale in self.scales]
        return keys, identities(samples).tolist(), scales
