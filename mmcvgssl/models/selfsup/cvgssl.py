"""CLIP-vision guided self-supervised learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from mmpretrain.models.selfsup import BaseSelfSupervisor
from torch import Tensor, nn

from mmcvgssl.models.heads import stack_maps
from mmcvgssl.models.layers import global_pool, with_sspcab_loss
from mmcvgssl.models.teachers import FrozenTeacher
from mmcvgssl.models.teachers.feature_cache import FeatureCache
from mmcvgssl.registry import MODELS

WEAK = 'weak'


@MODELS.register_module()
class CVGSSL(BaseSelfSupervisor):
    """CVGSSL: a student learns from frozen image towers without labels.

    Source: "CLIP-Vision Guided Few-Shot Metal Surface Defect Recognition",
    IEEE Transactions on Industrial Informatics. ``regression_head``,
    ``distill_head``, ``mixup``, ``channels_last`` and ``cache_teacher`` go
    beyond it and are off by default.

    Args:
        backbone: Student: any backbone of mmpretrain, mmdet, mmyolo or timm
            (through ``mmpretrain.TIMMBackbone``); its last output is pooled.
        teachers: One or several frozen teachers (config or module).
        neck: Projection of the pooled features; needed by ``head``.
        head: :class:`CVGSSLHead`, or None for regression alone.
        regression_head: :class:`FeatureRegressionHead`, or None.
        distill_head: :class:`AnomalyDistillHead` or another, which teaches
            anomaly maps to all of the backbone's outputs for the weak view;
            or None. Maps come with the data samples.
        per_view_bn: Run each view apart, so that batch norm sees it apart,
            as the reference does; otherwise views share one batch.
        mixup: Share of images that are mixed with another one of the batch,
            in equal ways for student, teacher and maps: all views of an
            image with one ratio, uniform in [0, 1), and one partner.
            Partners are of the same process, so that runs of other numbers
            of processes mix other pairs.
        channels_last: Memory layout of the student and the teachers.
        cache_teacher: Cache teacher features of a fixed set of views (the data
            set's ``fixed_views``) instead of computing them each epoch.
        cache_megabytes: Upper limit of the cache, in each process.
        teacher_view: ``'same'``: teachers see what the student sees;
            ``'weak'``: teachers see the weak view alone, and the student the
            others alone, of which it learns to tell what the weak view, the
            whole image perhaps, is like. Beside ``regression_head`` alone.

    Raises:
        ValueError: If options contradict each other.

    Example:
        >>> from torch import nn
        >>> from mmcvgssl.models import HostTeacher
        >>> model = MODELS.build(
        ...     dict(
        ...         type='mmcvgssl.CVGSSL',
        ...         backbone=dict(type='mmpretrain.ResNet', depth=18),
        ...         teachers=[HostTeacher(nn.Conv2d(3, 8, 3), input_size=32)],
        ...         neck=dict(
        ...             type='mmpretrain.NonLinearNeck',
        ...             in_channels=512,
        ...             hid_channels=64,
        ...             out_channels=32,
        ...             with_avg_pool=False,
        ...         ),
        ...         head=dict(type='mmcvgssl.CVGSSLHead', channels=32),
        ...     )
        ... )
        >>> views = [torch.rand(2, 3, 32, 32) for _ in range(2)]
        >>> list(model.loss(views, [None] * 2))
        ['loss_distill', 'loss_contrast', 'loss_self']
    """

    regression_head: Any
    distill_head: Any

    def __init__(
        self,
        backbone: dict | nn.Module,
        teachers: Sequence[dict | FrozenTeacher],
        neck: dict | nn.Module | None = None,
        head: dict | nn.Module | None = None,
        regression_head: dict | nn.Module | None = None,
        per_view_bn: bool = False,
        mixup: float = 0.0,
        channels_last: bool = False,
        cache_teacher: bool = False,
        data_preprocessor: dict | nn.Module | None = None,
        pretrained: str | None = None,
        init_cfg: dict | None = None,
        distill_head: dict | nn.Module | None = None,
        cache_megabytes: float = 2048,
        teacher_view: str = 'same',
    ) -> None:
        if not teachers:
            raise ValueError('CVGSSL needs at least one teacher')
        if head is None and regression_head is None:
            raise ValueError('CVGSSL needs `head`, `regression_head` or both')
        if (head is None) != (neck is None):
            raise ValueError('CVGSSL: `neck` and `head` go together')
        if not 0 <= mixup <= 1:
            raise ValueError(f'mixup is a share in [0, 1], got {mixup}')
        if mixup and cache_teacher:
            raise ValueError(
                'mixup makes new images, so cache_teacher cannot serve it: '
                'set one of them to its default'
            )
        if teacher_view not in ('same', WEAK):
            raise ValueError(
                "teacher_view: expected 'same' or 'weak', got "
                f'{teacher_view!r}'
            )
        if teacher_view == WEAK and (head or distill_head):
            raise ValueError(
                "teacher_view='weak' shows the student no weak view, which "
                '`head` and `distill_head` need: leave these out'
            )
        built = [
            t if isinstance(t, FrozenTeacher) else MODELS.build(t)
            for t in teachers
        ]
        if isinstance(head, dict):
            widths = [t.feature_width for t in built]
            head = MODELS.build({**head, 'teacher_widths': widths})
        if isinstance(regression_head, dict):
            levels = [w for t in built for w in t.level_widths]
            regression_head = MODELS.build(
                {**regression_head, 'level_widths': levels}
            )
        super().__init__(
            backbone=_build(backbone),
            neck=_build(neck),
            head=head,
            data_preprocessor=data_preprocessor,
            pretrained=pretrained,
            init_cfg=init_cfg,
        )
        self.regression_head = regression_head
        self.distill_head = _build(distill_head)
        self.per_view_bn = per_view_bn
        self.mixup = mixup
        self.teacher_view = teacher_view
        self.cache = FeatureCache(cache_megabytes) if cache_teacher else None
        self.memory_format = (
            torch.channels_last if channels_last else torch.contiguous_format
        )
        # a tuple keeps teachers out of checkpoints, averages and optimizers
        self.teachers = tuple(built)
        for module in (self.backbone, *self.teachers):
            module.to(memory_format=self.memory_format)

    def _apply(self, fn, recurse: bool = True):
        super()._apply(fn, recurse)
        for teacher in self.teachers:
            teacher._apply(fn, recurse)
        return self

    def extract_feat(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Run the backbone on one batch [N, 3, H, W]."""
        inputs = inputs.contiguous(memory_format=self.memory_format)
        out = self.backbone(inputs)
        return (out,) if torch.is_tensor(out) else tuple(out)

    @with_sspcab_loss
    def loss(
        self, inputs: Sequence[Tensor] | Tensor, data_samples: list, **kwargs
    ) -> dict[str, Tensor]:
        """Compute the loss terms of V views.

        Args:
            inputs: V normalised views [N, 3, h, w], the weak one first.
            data_samples: One per image; with ``anomaly_map`` [1, h, w] of
                the weak view, if there is a distillation head.
        """
        views = [inputs] if torch.is_tensor(inputs) else list(inputs)
        maps = []
        if self.distill_head is not None:
            maps.append(stack_maps(data_samples, views[0]))
        if self.mixup:  # of the maps, too
            mixed = self._mix([*views, *maps])
            views, maps = mixed[: len(views)], mixed[len(views) :]
        seen = views
        if self.teacher_view == WEAK:
            views, seen = views[1:], views[:1]
            if not views:
                raise ValueError(
                    "teacher_view='weak' needs a weak view and crops, got one "
                    'view: set crop_scales of MultiCrop'
                )
        targets = self.teach(seen, data_samples)  # [level][view]
        targets = [level * (len(views) // len(seen)) for level in targets]
        groups = [[i] for i in range(len(views))]
        if not self.per_view_bn and _same_shape(views):
            groups = [list(range(len(views)))]

        losses: dict[str, Tensor] = {}
        features: list[Tensor] = []
        z: list[Tensor] = []
        p: list[Tensor] = []
        t: list[list[Tensor]] = [[] for _ in self.teachers]
        for group in groups:
            batch = torch.cat([views[i] for i in group])
            levels = self.extract_feat(batch)
            pooled = global_pool(levels)
            features += pooled.chunk(len(group))
            if maps and group[0] == 0:  # the weak view comes first
                weak = [level[: len(views[0])] for level in levels]
                losses.update(self.distill_head.loss(weak, maps[0]))
            if self.head is None:
                continue
            embedded = [
                torch.cat([targets[k][i] for i in group])
                for k in self._embedding_levels()
            ]
            projection = self.neck((pooled,))[0]
            prediction, projected = self.head(projection, embedded)
            z += projection.chunk(len(group))
            p += prediction.chunk(len(group))
            for mine, rows in zip(t, projected, strict=True):
                mine += rows.chunk(len(group))

        if self.head is not None:
            losses.update(self.head.loss(z[0], p, t))
        if self.regression_head is not None:
            rows = [torch.cat(level) for level in targets]
            losses.update(self.regression_head.loss(torch.cat(features), rows))
        return losses

    def teach(
        self, views: Sequence[Tensor], data_samples: list
    ) -> list[list[Tensor]]:
        """Return teacher features by level and view, [N, w] each.

        Every teacher sees all views in one call, in its own normalisation.
        """
        if self.cache is None:
            return self._encode(views)
        keys = self._cache_keys(data_samples)
        missing = self.cache.missing(keys)
        there = sorted({*range(len(keys))} - {*missing})
        parts = []
        if there:
            known = self.cache.get([keys[i] for i in there])
            parts.append(known.to(views[0].device))
        if missing:
            seen = [v[missing] for v in views] if there else views
            made = _by_sample(self._encode(seen))
            parts.append(self.cache.put([keys[i] for i in missing], made))
        rows = parts[0]
        if len(parts) > 1:
            back = torch.tensor([*there, *missing]).argsort()
            rows = torch.cat(parts)[back.to(rows.device)]
        widths = [w for t in self.teachers for w in t.level_widths]
        split = rows.transpose(0, 1).split(widths, dim=2)
        return [list(level.unbind(0)) for level in split]

    def _encode(self, views: Sequence[Tensor]) -> list[list[Tensor]]:
        """Return what teachers make of views, by level and view."""
        images = [self.to_unit_range(view) for view in views]
        levels: list[list[Tensor]] = []
        for teacher in self.teachers:
            if _same_shape(images):
                batch = torch.cat(images)
            else:
                batch = torch.cat([teacher.resize(i) for i in images])
            batch = batch.contiguous(memory_format=self.memory_format)
            encoded = teacher.encode(batch)
            levels += [list(level.chunk(len(views))) for level in encoded]
        return levels

    def to_unit_range(self, view: Tensor) -> Tensor:
        """Undo the student's normalisation: RGB in [0, 1]."""
        preprocessor = self.data_preprocessor
        if getattr(preprocessor, '_enable_normalize', False):
            view = view * preprocessor.std + preprocessor.mean
        if not getattr(preprocessor, '_channel_conversion', True):
            view = view.flip(1)  # files are decoded to BGR
        return view / 255

    def _embedding_levels(self) -> list[int]:
        """Where in the flat list of levels each teacher's embedding is."""
        ends, end = [], 0
        for teacher in self.teachers:
            end += len(teacher.level_widths)
            ends.append(end - 1)
        return ends

    @staticmethod
    def _cache_keys(data_samples: list) -> list[tuple[int, int]]:
        try:
            return [(int(s.sample_idx), int(s.view_set)) for s in data_samples]
        except AttributeError as error:
            raise ValueError(
                'cache_teacher needs a fixed set of views: set `fixed_views` '
                'of the data set and have PackInputs copy the meta keys '
                'sample_idx and view_set'
            ) from error

    def _mix(self, views: list[Tensor]) -> list[Tensor]:
        """Mix a share of the images with others of the batch."""
        n, device = len(views[0]), views[0].device
        mixed = torch.rand(n) < self.mixup
        ratio = torch.where(mixed, torch.rand(n), torch.ones(n))
        # drawn on the CPU, so that the draw does not depend on the device
        ratio = ratio.to(device, non_blocking=True)
        other = torch.randperm(n).to(device, non_blocking=True)
        ratio = ratio.view(-1, 1, 1, 1)
        return [ratio * v + (1 - ratio) * v[other] for v in views]


def _build(module: dict | nn.Module | None) -> nn.Module | None:
    return MODELS.build(module) if isinstance(module, dict) else module


def _by_sample(levels: list[list[Tensor]]) -> Tensor:
    """Join [N, w] by level and view to [N, V, W]."""
    return torch.cat([torch.stack(views, 1) for views in levels], dim=2)


def _same_shape(tensors: Sequence[Tensor]) -> bool:
    return len({t.shape for t in tensors}) == 1
