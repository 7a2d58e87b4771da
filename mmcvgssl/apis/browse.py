"""Pictures of what the pipeline of a config really feeds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from warnings import catch_warnings, filterwarnings

import cv2
import torch
from mmengine.config import Config
from mmengine.registry import DATASETS, init_default_scope

from mmcvgssl.datasets.files import MARK
from mmcvgssl.datasets.wrapped import inner_sets
from mmcvgssl.progress import progress_bar
from mmcvgssl.randomness import derive_seed, isolated, seed_generators
from mmcvgssl.registry import VISUALIZERS
from mmcvgssl.runner.image_reading import settle_images
from mmcvgssl.runner.seed import seed_views
from mmcvgssl.utils import (
    atomic_write,
    check_folder,
    check_least,
    evenly,
    printable,
)
from mmcvgssl.visualization.contact_sheet import contact_sheet
from mmcvgssl.visualization.visualization_hook import fed_pictures

SHEET = 'contact_sheet.png'
PARTS = ('train', 'val', 'test', 'fit')


@dataclass(frozen=True)
class Browsed:
    """Pictures of samples.

    Args:
        files: The pictures.
        lines: What each sample is: size of its inputs and its labels.
        count: Number of images of the data set.

    Example:
        >>> Browsed([Path('00.png')], ['64 x 64'], 12).count
        12
    """

    files: list[Path]
    lines: list[str]
    count: int


def browse_dataset(
    cfg: Config,
    out: str | Path,
    part: str = 'train',
    number: int = 16,
    seed: int | None = None,
) -> Browsed:
    """Draw samples as a network is fed with them, after all transforms.

    Views are laid out, maps and masks drawn over images, boxes with their
    classes; an image with a class has its name.

    Args:
        cfg: Config; is changed.
        out: Folder of a PNG for each sample, and of ``contact_sheet.png``.
        part: Whose loader is looked at, one of ``PARTS``.
        number: Most samples, evenly over the data set.
        seed: Seed of random transforms, by default the config's: then these
            are the views of the training's first epoch.

    Raises:
        FileNotFoundError: If images are missing.
        ValueError: If the config has no such part, or an option is out of
            range.

    Example:
        >>> from mmcvgssl.apis import load_config
        >>> found = browse_dataset(load_config('train.py'), 'fed', number=2)
        >>> len(found.files), found.count
        (2, 12)
    """
    check_least(number=(number, 1), seed=(seed, 0))
    check_folder(out, '--out')
    loader = cfg.get(f'{part}_dataloader')
    if part not in PARTS or loader is None:
        there = [p for p in PARTS if cfg.get(f'{p}_dataloader') is not None]
        raise ValueError(
            f'{cfg.filename} has no {part}_dataloader: expected one of '
            f'{", ".join(there) or "none"} as the part to look at'
        )
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    settle_images(cfg, testing=part == 'test')
    if seed is not None:
        cfg.randomness = {'seed': seed}
    seed_views(cfg)
    base = (cfg.get('randomness') or {}).get('seed') or 0
    built = DATASETS.build(cfg[f'{part}_dataloader'].dataset)
    # one that is repeated has its images again and again
    count = getattr(built, 'n_images', len(built))
    files, lines, out = [], [], Path(out)
    atomic_write(out / MARK, b'')
    with isolated(), catch_warnings():
        # boxes that a crop has cut
        filterwarnings('ignore', '.* out of bounds', UserWarning)
        for i in progress_bar(
            evenly(count, number), desc='browse', unit='image'
        ):
            seed_generators(derive_seed(base, i))
            item = built[i]
            sample = item['data_samples']
            stem = Path(str(getattr(sample, 'img_path', 'image'))).stem
            file = out / f'{i:05d}_{printable(stem)[:80]}.png'
            _draw(item, _classes(built), file)
            files.append(file)
            lines.append(_line(item))
    sheet = contact_sheet(map(_read, files), 320)
    atomic_write(out / SHEET, cv2.imencode('.png', sheet)[1].tobytes())
    return Browsed(files, lines, count)


def _read(file: Path) -> Any:
    return cv2.imread(str(file))


def _classes(built: Any) -> list[str]:
    for own in inner_sets(built):
        classes = own.metainfo.get('classes')
        if classes:
            return [str(name) for name in classes]
    return []


def _draw(item: dict[str, Any], classes: list[str], file: Path) -> None:
    """Draw a sample by the visualiser of its kind, the host's for boxes."""
    inputs, sample = item['inputs'], item['data_samples']
    pictures = fed_pictures(inputs)
    is_whole = isinstance(inputs, torch.Tensor) and inputs.ndim == 3
    if 'gt_instances' in sample and is_whole:
        kind = 'mmdet.DetLocalVisualizer'
    elif is_whole and not {'anomaly_map', 'gt_mask'} & {*sample.keys()}:
        kind = 'mmpretrain.UniversalVisualizer'
    elif is_whole:
        kind = 'mmcvgssl.AnomalyVisualizer'
    else:
        kind = 'mmcvgssl.ViewsVisualizer'
    visualizer = VISUALIZERS.build(dict(type=kind, name=f'browse {kind}'))
    visualizer.dataset_meta = {'classes': classes}
    if kind.startswith('mmdet'):
        # its visualiser takes boxes as plain tensors
        boxes = sample.gt_instances.bboxes
        sample.gt_instances.bboxes = getattr(boxes, 'tensor', boxes)
    if kind.startswith('mmpretrain'):
        visualizer.visualize_cls(
            *(pictures, sample),
            classes=classes or None,
            draw_pred=False,
            draw_score=False,
            name=file.stem,
            out_file=str(file),
        )
        return
    visualizer.add_datasample(
        *(file.stem, pictures, sample),
        draw_pred=kind.startswith('mmcvgssl'),
        out_file=str(file),
    )


def _line(item: dict[str, Any]) -> str:
    inputs, sample = item['inputs'], item['data_samples']
    tensors = [inputs] if torch.is_tensor(inputs) else list(inputs)
    sizes = [' x '.join(map(str, t.shape)) for t in tensors]
    parts = [f'{len(sizes)} of ' if len(sizes) > 1 else '']
    parts[0] += ', '.join(dict.fromkeys(sizes))
    for key in ('gt_label', 'view_labels'):
        value = getattr(sample, key, None)
        if value is not None:
            parts.append(f'{key} {torch.as_tensor(value).tolist()}')
    if 'gt_instances' in sample:
        parts.append(f'{len(sample.gt_instances)} boxes')
    return '; '.join([*parts, str(getattr(sample, 'img_path', ''))])
