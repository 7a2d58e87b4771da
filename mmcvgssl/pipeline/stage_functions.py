"""The functions that stages call.

What they take can be written to a file, so that a process of its own can
call them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mmengine.config import Config

from mmcvgssl.apis.boxes_from_maps import boxes_from_maps, boxes_text
from mmcvgssl.apis.make_maps import make_maps as write_maps
from mmcvgssl.apis.make_maps import maps_text
from mmcvgssl.apis.runs import run_test, run_training
from mmcvgssl.runner.config import load_config


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
    counts = write_maps(cfg, images, out, root=root)
    print(maps_text(counts, out), flush=True)


def maps_to_boxes(maps: str, images: str, out: str, **options: Any) -> None:
    """Cut boxes from maps."""
    report = boxes_from_maps(maps, images, out, **options)
    print(boxes_text(report, out), flush=True)


def train(
    config: str, work_dir: str, resume: str, launcher: str = 'none'
) -> None:
    """Train, or go on with it."""
    run_training(_load(config, work_dir, launcher), resume)


def evaluate(
    config: str,
    checkpoint: str,
    work_dir: str,
    out: str,
    launcher: str = 'none',
) -> None:
    """Test a checkpoint, and write the metrics."""
    run_test(_load(config, work_dir, launcher), checkpoint, out=out)


def _load(config: str, work_dir: str, launcher: str) -> Config:
    cfg = load_config(config)
    cfg.work_dir, cfg.launcher = work_dir, launcher
    return cfg


# by the name of the tool that does the same
FUNCTIONS: dict[str, Callable[..., None]] = {
    'make_maps': make_maps,
    'maps_to_boxes': maps_to_boxes,
    'train': train,
    'test': evaluate,
}
