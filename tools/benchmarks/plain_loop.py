"""CVGSSL as its public description does it: plain, one view at a time."""

from __future__ import annotations

import random

import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms as T

from mmcvgssl.datasets.transforms.multi_crop import CROP_SCALES
from mmcvgssl.models.layers import global_pool
from mmcvgssl.models.selfsup import CVGSSL


class PlainViews(Dataset):
    """PIL decoding and torchvision transforms."""

    def __init__(self, paths: list[str], size: int) -> None:
        self.paths = paths
        jitter = T.ColorJitter(brightness=0.2, contrast=0.2)
        last = [T.ToTensor(), T.Normalize([0.5] * 3, [0.5] * 3)]
        weak = [
            T.RandomResizedCrop(size),
            T.RandomHorizontalFlip(),
            T.RandomApply([T.RandomVerticalFlip(0.5)], 0.5),
            jitter,
        ]
        self.views = [T.Compose(weak + last)]
        for scale in CROP_SCALES:
            crop = [
                T.RandomResizedCrop(size, scale=scale),
                jitter,
                T.RandomGrayscale(0.2),
                T.RandomApply([T.GaussianBlur(7, (0.1, 2.0))], 0.5),
                T.RandomHorizontalFlip(),
            ]
            self.views.append(T.Compose(crop + last))

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> list[Tensor]:
        image = Image.open(self.paths[index]).convert('RGB')
        return [view(image) for view in self.views]


def plain_loader(
    paths: list[str], size: int, batch: int, workers: int
) -> DataLoader:
    """Make a loader of lists of views."""
    random.seed(0)
    torch.manual_seed(0)
    return DataLoader(
        PlainViews(paths, size),
        batch_size=batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
    )


def plain_losses(model: CVGSSL, views: list[Tensor]) -> dict[str, Tensor]:
    """Compute the terms of ``model`` for normalised views, one by one."""
    z, p = [], []
    projected: list[list[Tensor]] = [[] for _ in model.teachers]
    for view in views:
        pooled = global_pool(model.backbone(view))
        embedded = []
        for teacher in model.teachers:
            with torch.no_grad():
                image = teacher.preprocess(view * 0.5 + 0.5)
                embedded.append(teacher._run(image)[1])
        projection = model.neck((pooled,))[0]
        prediction, rows = model.head(projection, embedded)
        z.append(projection)
        p.append(prediction)
        for mine, row in zip(projected, rows, strict=True):
            mine.append(row)
    return model.head.loss(z[0], p, projected)


def plain_step(
    model: CVGSSL, views: list[Tensor], optimizer: torch.optim.Optimizer
) -> None:
    """Take one optimisation step in float32."""
    device = next(iter(nn.Module.parameters(model))).device
    losses = plain_losses(model, [v.to(device) for v in views])
    loss = torch.stack(list(losses.values())).sum()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
