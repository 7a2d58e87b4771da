"""Measure views of CutPaste beside PIL and torchvision, and predictions.

Both make the same three views of the same files, up to the normalised tensor
that the network takes, in turn and in one process; a GPU, if there is one,
takes them, and makes ours. The ratio of their rates is what counts. Ours
caches the decoded images in its first pass, of which a training makes
hundreds, so both passes are reported. Predictions are timed with decoding, at
batch 1 and 32.
"""

import argparse
import copy
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from mmcv.transforms import Compose
from mmengine.config import Config
from mmengine.dataset import default_collate
from mmengine.registry import init_default_scope
from plain_cutpaste import PlainViews
from surfaces import write_surfaces
from turns import clock, device, say

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import load_config
from mmcvgssl.apis.predict import Predictor, find_images
from mmcvgssl.datasets.canvas_collate import canvas_collate
from mmcvgssl.engine import keep_freed_memory
from mmcvgssl.model_file import prediction_steps
from mmcvgssl.model_file.anomaly import to_file
from mmcvgssl.registry import MODELS
from mmcvgssl.runner.views import plan_views

CONFIG = (
    Path(__file__).parents[2]
    / 'configs/anomaly/cutpaste/cutpaste-3way_resnet18_folder.py'
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--config', default=str(CONFIG))
    parser.add_argument('--images', help='folder; generated if not given')
    parser.add_argument('--model', help='model file; made if not given')
    parser.add_argument('--view-size', type=int, default=256)
    parser.add_argument('--count', type=int, default=64)
    parser.add_argument('--rounds', type=int, default=5)
    return parser.parse_args()


def recipe(config: str = str(CONFIG), view_size: int = 256) -> Config:
    """Load a recipe for views of a size."""
    cfg = load_config(config, {'input_size': view_size})
    init_default_scope(cfg.default_scope)
    return cfg


def rate(function, count: int) -> float:
    """Return how many a second a function works through."""
    begin = clock()
    function()
    return count / (clock() - begin)


def compare_views(cfg, paths: list[str], rounds: int) -> tuple[float, float]:
    """Return how many times as fast ours are, in the first pass and later."""
    settings, loader = cfg.data_preprocessor, cfg.train_dataloader
    plain = PlainViews(cfg.input_size, settings.mean, settings.std)
    cfg.views = 'auto'
    plan = plan_views(cfg, torch.cuda.is_available())
    if plan:
        settings, loader = plan.preprocessor(settings), plan.loader(loader)
    data = MODELS.build(settings).to(device())
    collate = canvas_collate if plan else default_collate

    def ours(pipeline, files=paths, size: int = 32) -> None:
        for first in range(0, len(files), size):
            part = files[first : first + size]
            items = [pipeline({'img_path': p, 'view_set': 0}) for p in part]
            data(collate(items), True)

    def theirs(files=paths, size: int = 32) -> None:
        for first in range(0, len(files), size):
            views = [plain(path) for path in files[first : first + size]]
            for batch in zip(*views, strict=True):
                torch.stack(batch).to(device())

    steps = loader['dataset']['pipeline']
    ours(Compose(steps), paths[:8])
    theirs(paths[:8])
    ratios = []
    for i in range(rounds):
        pipeline = Compose(steps)
        works = theirs, partial(ours, pipeline), partial(ours, pipeline)
        base, *own = [rate(work, 3 * len(paths)) for work in works]
        ratios.append([value / base for value in own])
        print(
            f'round {i + 1}: PIL and torchvision {base:.0f} views/s, ours '
            f'{own[0]:.0f} at first (ratio {ratios[-1][0]:.2f}) and '
            f'{own[1]:.0f} from then on (ratio {ratios[-1][1]:.2f})',
            flush=True,
        )
    first, later = np.median(ratios, axis=0)
    print(f'median ratios: {first:.2f} at first, {later:.2f} from then on')
    return float(first), float(later)


def write_model(cfg, paths: list[str], file: Path) -> Path:
    """Write a detector with random weights, which takes as long as any."""
    steps = prediction_steps(cfg.test_dataloader.dataset.pipeline)
    config = dict(
        type='mmcvgssl.OneClassDetector',
        backbone=cfg.model.backbone.to_dict(),
        false_alarm_rate=None,
    )
    model = MODELS.build(copy.deepcopy(config))
    transform = Compose(steps)
    items = [transform({'img_path': path, 'category': ''}) for path in paths]
    model.fit([default_collate(items)])
    to_file(model, config, steps).write(file)
    return file


def main() -> None:
    """Measure."""
    args = parse_args()
    if not torch.cuda.is_available():
        keep_freed_memory()  # as training does, for both
    with tempfile.TemporaryDirectory() as folder:
        if args.images is None:
            args.images = folder
            write_surfaces(Path(folder), args.count, 512)
        paths = [str(p) for p in find_images(args.images)][: args.count]
        cfg = recipe(args.config, args.view_size)
        first, later = compare_views(cfg, paths, args.rounds)
        model = args.model or write_model(
            cfg, paths[:16], Path(folder, 'model.safetensors')
        )
        for size in (1, 32):
            predictor = Predictor(model, batch_size=size)
            list(predictor(paths[:size]))  # warm up
            found = [
                rate(lambda p=predictor: list(p(paths)), len(paths))
                for _ in range(3)
            ]
            print(f'predict, batch {size}: {np.median(found):.1f} images/s')
    say({'times plain': later, 'times plain, first pass': first})


if __name__ == '__main__':
    main()
