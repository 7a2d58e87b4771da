"""Compare an update of YOLOv8-n with mmyolo's own, in one run.

Ours is the recipe of configs/detection in bfloat16, its reader of images and
its steps; the other is mmyolo's YOLOv8-n with its own loader, at the same size
of images, in float32. Each loads in as many processes, is timed in processes
of its own, in turn; the ratio of their rates is what counts.
"""

import argparse
import itertools
import tempfile
from pathlib import Path

import torch
from detection_tiles import CLASS, generate
from mmengine.config import Config
from mmengine.hub import get_config as get_host_config
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner
from turns import (
    clock,
    device,
    in_turns,
    median_of,
    peaks,
    print_table,
    ratio,
    say,
)

from mmcvgssl.apis import get_config
from mmcvgssl.engine import keep_freed_memory
from mmcvgssl.registry import MODELS
from mmcvgssl.runner.cached_images import cache_images
from mmcvgssl.runner.undisturbed import undisturbed
from mmcvgssl.utils import available_cores

RECIPE = 'yolov8_n_1xb16-300e_coco-format'
HOST = 'mmyolo::yolov8/yolov8_n_syncbn_fast_8xb16-500e_coco.py'
SIDE = 256
OURS, MMYOLO = 'ours', 'mmyolo'
GPU = device() == 'cuda'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--batch-size', type=int, default=16)
    parser.add_argument(
        '--workers', type=int, default=min(available_cores(), 16)
    )
    parser.add_argument('--iters', type=int, default=100 if GPU else 5)
    parser.add_argument('--rounds', type=int, default=3)
    return parser.parse_args()


def ours(images: Path) -> Config:
    """Return the recipe of this package."""
    cfg = get_config(
        RECIPE,
        {
            'data_root': str(images),
            'classes': (CLASS,),
            'ann_file': 'coco.json',
            'optim_wrapper.type': 'mmcvgssl.AutocastOptimWrapper',
        },
    )
    cache_images(cfg)
    return cfg


def mmyolos(images: Path) -> Config:
    """Return mmyolo's recipe for images of another size and one class."""
    cfg = get_host_config(HOST)
    head = cfg.model.bbox_head.head_module
    head.num_classes = cfg.model.train_cfg.assigner.num_classes = 1
    data = cfg.train_dataloader.dataset
    data.update(data_root=str(images), ann_file='coco.json')
    data.update(data_prefix=dict(img=''), metainfo=dict(classes=(CLASS,)))
    data.filter_cfg.min_size = 1
    mosaic, affine = data.pipeline[2:4]
    mosaic.img_scale = SIDE, SIDE
    affine.border = -SIDE // 2, -SIDE // 2
    return cfg


def measure(args: argparse.Namespace, kind: str) -> dict:
    """Return images a second."""
    if kind == OURS and not GPU:
        keep_freed_memory()
    cfg = ours(args.images) if kind == OURS else mmyolos(args.images)
    with undisturbed(cfg.default_scope):
        loader = cfg.train_dataloader.to_dict()
        loader.update(batch_size=args.batch_size, num_workers=args.workers)
        loader.update(persistent_workers=args.workers > 0, pin_memory=GPU)
        torch.manual_seed(0)
        model = MODELS.build(cfg.model).to(device())
        if kind == OURS:
            model.to(memory_format=torch.channels_last)
        model.init_weights()
        model.train()
        wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
        built = Runner.build_dataloader(loader, seed=0)
        epochs = itertools.chain.from_iterable(itertools.repeat(built))
        # what workers have loaded meanwhile does not count
        for _ in range(2 * args.workers + 2 if GPU else 2):
            model.train_step(next(epochs), wrapper)
        start = clock()
        for _ in range(args.iters):
            model.train_step(next(epochs), wrapper)
        seconds = clock() - start
    return {'rate': args.iters * args.batch_size / seconds, **peaks()}


def main() -> None:
    """Measure in turn and print medians and the ratio."""
    args = parse_args()
    with tempfile.TemporaryDirectory() as name:
        args.images = Path(name) / 'images'
        generate(args.images, 0, 1024 if GPU else 128, (SIDE, SIDE), 3)
        found = in_turns(measure, args, (MMYOLO, OURS))
    print_table(found, MMYOLO)
    say(
        {
            f'times {MMYOLO}': ratio(found, OURS, MMYOLO),
            'images/s': median_of(found, OURS),
        }
    )


if __name__ == '__main__':
    main()
