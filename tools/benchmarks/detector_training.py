"""Measure an update of detectors' trainings on one core.

Trains recipes of configs/detection for some updates on generated images, in
float32 and in bfloat16, and prints processor time by part: to load a batch,
and for forward pass, loss, backward pass and optimiser together.
"""

import argparse
import copy
import itertools
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from detection_tiles import CLASS, generate
from mmengine.optim import build_optim_wrapper
from mmengine.runner import Runner

from mmcvgssl.apis import get_config
from mmcvgssl.registry import MODELS
from mmcvgssl.runner.cached_images import cache_images
from mmcvgssl.runner.undisturbed import undisturbed

RECIPES = (
    'yolov8_n_1xb16-300e_coco-format',
    'rtmdet_tiny_1xb16-300e_coco-format',
)
WRAPPERS = {
    'float32': 'OptimWrapper',
    'bfloat16': 'mmcvgssl.AutocastOptimWrapper',
}
SIZE = 200, 200  # of NEU-DET's images, pixels


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--recipes', nargs='+', default=RECIPES)
    parser.add_argument('--updates', type=int, default=10, help='to measure')
    parser.add_argument('--batch-size', type=int, default=16)
    parser.add_argument(
        '--image-cache', type=int, default=512, help='MiB, as of a training'
    )
    return parser.parse_args()


def main() -> None:
    """Print a row for each recipe and precision."""
    args = parse_args()
    torch.set_num_threads(1)
    print('| recipe | precision | load, s | train, s | |')
    print('|---' * 5 + '|')
    with tempfile.TemporaryDirectory() as name:
        images = Path(name) / 'images'
        generate(images, 0, 64, SIZE, 3)
        for recipe in args.recipes:
            first = None
            for precision in WRAPPERS:
                loading, training = measure(args, recipe, precision, images)
                first = first or training
                print(
                    f'| `{recipe}` | {precision} | {loading:.3f} | '
                    f'{training:.3f} | {first / training:.2f} × |',
                    flush=True,
                )


def measure(
    args: argparse.Namespace, recipe: str, precision: str, images: Path
) -> tuple[float, float]:
    """Return seconds to load a batch, and to learn from it."""
    cfg = get_config(
        recipe,
        {
            'data_root': str(images),
            'classes': (CLASS,),
            'ann_file': 'coco.json',
            'image_cache': args.image_cache,
        },
    )
    cache_images(cfg)
    seconds = [0.0, 0.0]
    with undisturbed(cfg.default_scope):
        loader: dict[str, Any] = cfg.train_dataloader.to_dict()
        loader.update(batch_size=args.batch_size, num_workers=0)
        loader.update(persistent_workers=False, pin_memory=False)
        torch.manual_seed(0)
        model = MODELS.build(cfg.model).to(memory_format=torch.channels_last)
        model.init_weights()
        model.train()
        wrapper = {**cfg.optim_wrapper.to_dict(), 'type': WRAPPERS[precision]}
        optimiser = build_optim_wrapper(model, wrapper)
        batches = itertools.cycle(Runner.build_dataloader(loader, seed=0))
        for update in range(-2, args.updates):  # less the first two
            start = time.process_time()
            batch = copy.deepcopy(next(batches))
            loaded = time.process_time()
            model.train_step(batch, optimiser)
            if update >= 0:
                seconds[0] += loaded - start
                seconds[1] += time.process_time() - loaded
    return seconds[0] / args.updates, seconds[1] / args.updates


if __name__ == '__main__':
    main()
