"""Tiny generated data: images, broken files, networks and configs."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from mmcvgssl.models.teachers import FrozenTeacher

ROOT = Path(__file__).parents[1]
CONFIGS = ROOT / 'configs'
CLASSES = ('dent', 'rust', 'scratch')


def with_data_set(recipe: Path, name: str, folder: Path) -> Path:
    """Write a config of a recipe and a data set, as users do."""
    path = folder / f'{recipe.stem}_{name}.py'
    data_set = CONFIGS / f'_base_/datasets/{name}.py'
    path.write_text(f'_base_ = {[str(recipe), str(data_set)]!r}\n')
    return path


def touch(root: Path, *names: str) -> Path:
    """Make empty files, and the folders that they lie in."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def picture(seed: int, side: int = 40, mode: str = 'RGB') -> Image.Image:
    """Make a noisy picture whose stripes depend on the seed's class."""
    random = np.random.RandomState(seed)
    x = np.arange(side)
    wave = 60 * np.sin(x * (0.2 + 0.4 * (seed % len(CLASSES))))
    grey = 120 + wave[None, :] + random.normal(0, 15, (side, side))
    tint = random.uniform(0.7, 1.0, 3)
    rgb = np.clip(grey[..., None] * tint, 0, 255).astype(np.uint8)
    return Image.fromarray(rgb).convert(mode)


def write_images(folder: Path, count: int, side: int = 40) -> list[Path]:
    """Write pictures, every other one a folder deeper."""
    paths = []
    for i in range(count):
        path = folder / ('deeper' if i % 2 else '') / f'{i:02d}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        picture(i, side).save(path)
        paths.append(path)
    return sorted(paths)


def write_classes(folder: Path, count: int, side: int = 40) -> Path:
    """Write ``train`` and ``test`` folders with one folder a class."""
    for part, first in (('train', 0), ('test', 1000)):
        for label, name in enumerate(CLASSES):
            home = folder / part / name
            home.mkdir(parents=True)
            for i in range(count):
                seed = first + len(CLASSES) * i
                seed += (label - seed) % len(CLASSES)
                picture(seed, side).save(home / f'{i:02d}.png')
    return folder


def write_broken(folder: Path) -> list[Path]:
    """Write files with a picture's name that are none."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = folder / 'whole.png'
    picture(0, 64).save(whole)
    content = whole.read_bytes()
    whole.unlink()
    files = {
        'truncated.png': content[: len(content) // 2],
        'zero.png': b'',
        'text.jpg': b'this is no picture\n',
    }
    for name, written in files.items():
        (folder / name).write_bytes(written)
    return [folder / name for name in sorted(files)]


class TinyNet(nn.Module):
    """A student of two convolutions and a batch norm, strides 2 and 2."""

    def __init__(self, width: int = 6) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 2, 1)
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor) -> tuple[Tensor]:
        self.seen.append(x.detach().clone())
        return (self.conv2(self.bn(self.conv1(x)).relu()),)


class RecordingTower(nn.Module):
    """A tower that remembers what it was shown."""

    def __init__(self, width: int = 5, grid: int = 2) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(grid)
        self.linear = nn.Linear(3 * grid * grid, width)
        self.bn = nn.BatchNorm1d(width)
        self.seen: list[Tensor] = []
        self.inference: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.inference.append(torch.is_inference_mode_enabled())
        self.seen.append(x.clone())
        return self.bn(self.linear(self.pool(x).flatten(1)))


class FakeTeacher(FrozenTeacher):
    """A teacher around a :class:`RecordingTower`."""

    def __init__(
        self,
        width: int = 5,
        mean=(0.1, 0.2, 0.3),
        std=(0.5, 0.6, 0.7),
        input_size: int = 8,
        levels=(),
    ) -> None:
        tower = RecordingTower(width)
        super().__init__(tower, mean, std, input_size, levels)
        tower.seen.clear()
        tower.inference.clear()

    def _run(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        maps = [self.tower.pool(images) * (i + 1) for i in self.levels]
        return maps, self.tower(images)


def tiny_config(
    folder: Path, data_root: Path, extra: str = '', head: bool = True
) -> Path:
    """Write a config of a narrow student, a tiny teacher and 32 px views.

    Args:
        folder: Where the config goes.
        data_root: Of the images; ``train`` and ``test`` in it hold classes.
        extra: More lines.
        head: The contrastive head, or regression alone.
    """
    kind = 'cvgssl' if head else 'cvgssl-regress'
    width = 64  # of a ResNet-18 with base_channels=8
    part = (
        f'neck=dict(in_channels={width}),'
        if head
        else f'regression_head=dict(in_channels={width}),'
    )
    bases = [
        CONFIGS / f'_base_/models/{kind}_resnet18.py',
        CONFIGS / '_base_/models/teacher_lite0.py',
        CONFIGS / '_base_/loaders/multi_crop.py',
        CONFIGS / '_base_/schedules/cvgssl_30e.py',
        CONFIGS / '_base_/default_runtime.py',
    ]
    text = f"""
_base_ = {[str(b) for b in bases]!r}
data_root = {str(data_root)!r}
view_size = 32
model = dict(
    backbone=dict(stem_channels=8, base_channels=8),
    teachers=[
        dict(
            type='mmcvgssl.TimmTeacher',
            model_name='test_efficientnet',
            allow_random=True,
            input_size=32,
        )
    ],
    {part}
)
train_dataloader = dict(
    batch_size=4, num_workers=0, persistent_workers=False
)
few_shot = dict(
    train=dict(ann_file='', data_prefix='train', split_dir=''),
    test=dict(ann_file='', data_prefix='test', split_dir=''),
)
optim_wrapper = dict(optimizer=dict(lr=0.02))
param_scheduler = []
train_cfg = dict(max_epochs=2)
default_hooks = dict(
    logger=dict(interval=1), checkpoint=dict(interval=1, max_keep_ckpts=9)
)
# managers of one process tell runs apart by this name
experiment_name = {uuid.uuid4().hex!r}
{extra}
"""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / 'tiny.py'
    path.write_text(text)
    return path
