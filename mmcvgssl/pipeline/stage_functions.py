"""The functions that stages call.

What they take can be written to a file, so that a process of its own can
call them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.config import Config

from mmcvgssl import apis
from mmcvgssl.datasets.preparation import draw_folds


def make_maps(
    config: str,
    images: str,
    root: str,
    out: str,
    work_dir: str,
    launcher: str = 'none',
) -> None:
    """Write the anomaly maps that are not there yet."""
    cfg = _load(config, work_dir, launcher)
    counts = apis.make_maps(cfg, images, out, root=root)
    print(apis.maps_text(counts, out), flush=True)


def maps_to_boxes(maps: str, images: str, out: str, **options: Any) -> None:
    """Cut boxes from maps."""
    report = apis.boxes_from_maps(maps, images, out, **options)
    print(apis.boxes_text(report, out), flush=True)


def folds(file: str, out: str, **options: Any) -> None:
    """Divide labels into folds."""
    print(draw_folds(file, out, **options).summary(), flush=True)


def self_train(model: str, images: str, **options: Any) -> None:
    """Find boxes in unlabelled images, and join them to the labels."""
    made = apis.self_train(model, images, **options)
    print(apis.self_training_text(made), flush=True)


def train(
    config: str, work_dir: str, resume: str, launcher: str = 'none'
) -> None:
    """Train, or go on with it."""
    apis.run_training(_load(config, work_dir, launcher), resume)


def evaluate(
    config: str,
    checkpoint: str,
    work_dir: str,
    out: str,
    launcher: str = 'none',
) -> None:
    """Test a checkpoint, and write the metrics."""
    apis.run_test(_load(config, work_dir, launcher), checkpoint, out=out)


def _load(config: str, work_dir: str, launcher: str) -> Config:
    cfg = apis.load_config(config)
    cfg.work_dir, cfg.launcher = work_dir, launcher
    return cfg


# by the name of the tool that does the same
FUNCTIONS: dict[str, Callable[..., None]] = {
    'make_maps': make_maps,
    'maps_to_boxes': maps_to_boxes,
    'train': train,
    'test': evaluate,
    'folds': folds,
    'self_train': self_train,
}
