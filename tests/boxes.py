"""Tiny generated data with boxes and anomaly maps, and models made narrow."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mmengine.config import Config
from mmengine.runner import Runner

from mmcvgssl.apis import build_runner, check_before_training, load_config
from tests.data import picture

SIDE = 128
# pixels a side that images of tests are resized to
SIZE = 128
# the smallest that have the blocks of the real one
NARROW_SWIN = {
    'embed_dims': 16,
    'depths': [1, 1, 2, 1],
    'num_heads': [1, 2, 2, 4],
}


def write_boxes(path: Path, names: Sequence[str], count: int = 6) -> Path:
    """Write a COCO file of squares in images ``0.png``, ``1.png`` and on."""
    images, boxes = [], []
    for i in range(count):
        file = f'{i}.png'
        images.append(
            {'id': i, 'file_name': file, 'width': SIDE, 'height': SIDE}
        )
        x = 8 + 8 * i
        boxes.append(
            {
                'id': i,
                'image_id': i,
                'category_id': 1 + i % len(names),
                'bbox': [x, 20, 48, 40],
                'area': 48 * 40,
                'iscrowd': 0,
            }
        )
    kinds = [{'id': i + 1, 'name': name} for i, name in enumerate(names)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps(
            {'images': images, 'annotations': boxes, 'categories': kinds}
        )
    )
    return path


def voc(objects, size=(20, 16), head: str = '') -> str:
    """Return a VOC file of objects: a name and corners counted from 1."""
    inner = ''.join(
        f'<object><name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin>'
        f'<xmax>{c}</xmax><ymax>{d}</ymax></bndbox></object>'
        for name, (a, b, c, d) in objects
    )
    return (
        f'{head}<annotation><filename>x</filename><size><width>{size[0]}'
        f'</width><height>{size[1]}</height><depth>1</depth></size>{inner}'
        '</annotation>'
    )


def write_surfaces(root: Path, count: int = 6) -> Path:
    """Write images, lists and a folder of maps with a bright square each."""
    lists = root / 'mmcvgssl'
    maps = root / 'maps'
    for folder in (lists, maps):
        folder.mkdir(parents=True, exist_ok=True)
    names = []
    for i in range(count):
        picture(i, SIDE).save(root / f'{i}.png')
        heat = np.random.default_rng(i).uniform(0, 0.2, (16, 16))
        heat[3:8, 1 + i : 7 + i] += 1
        np.save(maps / f'{i}.npy', heat.astype(np.float32))
        names.append(f'{i}.png')
    text = ''.join(f'{name}\n' for name in names)
    for name in ('train_unlabelled.txt', 'detection_unlabelled.txt'):
        (lists / name).write_text(text)
    labelled = ''.join(f'{n} {i % 3}\n' for i, n in enumerate(names))
    (lists / 'train.txt').write_text(labelled)
    return root


def small_loaders(cfg: Config, batch: int = 2) -> None:
    """Load few images, in this process."""
    for part in ('train', 'val', 'test'):
        loader = cfg.get(f'{part}_dataloader')
        if loader:
            loader.update(batch_size=batch, num_workers=0)
            loader.update(persistent_workers=False, pin_memory=False)


def narrow(cfg: Config) -> None:
    """Keep the architecture and make it small."""
    model = cfg.model
    if 'Swin' in model.backbone.type:
        model.backbone.arch = NARROW_SWIN
        widths = [16, 32, 64, 128]
    elif model.backbone.get('depth') == 50:
        model.backbone.update(stem_channels=8, base_channels=8)
        widths = [32, 64, 128, 256]
    else:
        widths = []
    if model.type == 'FasterRCNN':
        model.roi_head.bbox_head.fc_out_channels = 32
        model.train_cfg.rpn_proposal.max_per_img = 50
        model.train_cfg.rcnn.sampler.num = 16
    if widths:
        widths = widths[-len(model.neck.in_channels) :]
        model.neck.in_channels = widths
        if model.type == 'YOLODetector':
            model.neck.out_channels = widths
            model.bbox_head.head_module.in_channels = widths
    if model.type == 'DINO':
        model.encoder.num_layers = model.decoder.num_layers = 1
        model.num_queries = 20
        model.encoder.layer_cfg.ffn_cfg.feedforward_channels = 64
        model.decoder.layer_cfg.ffn_cfg.feedforward_channels = 64


def shrink(cfg: Config) -> None:
    """Make detector, batches and pictures small."""
    narrow(cfg)
    small_loaders(cfg)
    images = cfg.model.data_preprocessor
    if images.get('pad_size_divisor', 1) > SIZE:
        images.pad_size_divisor = SIZE
    for part in ('train', 'val', 'test'):
        loader = cfg.get(f'{part}_dataloader')
        for step in loader.dataset.pipeline if loader else ():
            for key in ('img_scale', 'scale', 'crop_size', 'size'):
                if isinstance(step.get(key), tuple):
                    step[key] = (SIZE, SIZE)
            if 'border' in step:
                step.border = (-SIZE // 2, -SIZE // 2)
            if step.type == 'RandomChoice':
                step.update(type='Resize', scale=(SIZE, SIZE), keep_ratio=True)
                del step['transforms']


def make_runner(path: Path, work_dir: Path, options: dict) -> Runner:
    """Build a run of one epoch as tools/train.py does."""
    cfg = load_config(path, options)
    small_loaders(cfg, 3)
    cfg.train_cfg.max_epochs = 1
    if cfg.get('val_cfg'):
        cfg.train_cfg.val_interval = 1
    cfg.work_dir, cfg.launcher = str(work_dir), 'none'
    # managers of one process tell runs apart by this name
    cfg.experiment_name = uuid.uuid4().hex
    runner = build_runner(cfg)
    check_before_training(runner)
    return runner
