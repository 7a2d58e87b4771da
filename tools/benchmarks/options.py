"""Measure what each option of a training step is worth, in one run.

The paper's recipe of CVGSSL, as it is and with one option changed at a time,
each in processes of its own, in turn. What is above 1 is faster than the
recipe as it is.
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from mmengine.config import Config
from pretrain import CONFIG, GPU, OURS, build, rate, ready, recipe, warm_up
from surfaces import write_surfaces
from torch import nn
from turns import in_turns, print_table, ratio, say

from mmcvgssl.engine import keep_freed_memory
from mmcvgssl.models.teachers import frozen_teacher

AS_IT_IS = 'as it is'
OPTIONS: dict[str, dict[str, Any]] = {
    AS_IT_IS: {},
    'float32': {'optim_wrapper.type': 'OptimWrapper'},
    'not channels-last': {'model.channels_last': False},
    'view by view': {'model.per_view_bn': True},
    "teachers' norms apart": {},
    'fused optimiser': {'optim_wrapper.optimizer.fused': True},
    'checkpointed student': {'model.backbone.with_cp': True},
    'compiled student': {},
}
ON_CPU = ['freed memory given back']
if not GPU:
    OPTIONS |= {kind: {} for kind in ON_CPU}


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--config', default=CONFIG, help='or a recipe')
    parser.add_argument('--view-size', type=int, default=224 if GPU else 128)
    parser.add_argument('--batch-size', type=int, default=64 if GPU else 32)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--iters', type=int, default=20 if GPU else 2)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument(
        '--only', nargs='+', choices=list(OPTIONS)[1:], help='of these'
    )
    parser.set_defaults(views='auto')
    return parser.parse_args()


def measure(args: argparse.Namespace, kind: str) -> dict:
    """Time the recipe with an option changed."""
    if kind not in ON_CPU and not GPU:
        keep_freed_memory()
    cfg = recipe(args, OURS)
    cfg.merge_from_dict(OPTIONS[kind])
    apart = kind == "teachers' norms apart"
    fold: Callable[..., nn.Module] = frozen_teacher.fold_norms
    if apart:
        fold = lambda network, _: network  # noqa: E731
    with mock.patch.object(frozen_teacher, 'fold_norms', fold):
        return run(args, cfg, kind)


def run(args: argparse.Namespace, cfg: Config, kind: str) -> dict:
    """Time a config."""
    model = build(cfg)
    if kind == 'compiled student':
        model.backbone = torch.compile(model.backbone)
    _, update = ready(cfg, model)
    return rate(args, update)


def main() -> None:
    """Measure in turn and print medians and ratios."""
    args = parse_args()
    kinds = [AS_IT_IS, *(args.only or list(OPTIONS)[1:])]
    with tempfile.TemporaryDirectory() as folder:
        args.images = folder
        updates = warm_up(args) + (1 + GPU) * args.iters
        write_surfaces(Path(folder), updates * args.batch_size, 256)
        found = in_turns(measure, args, kinds)
    print_table(found, AS_IT_IS)
    say(
        {
            f'{kind}, times {AS_IT_IS}': ratio(found, kind, AS_IT_IS)
            for kind in kinds[1:]
        }
    )


if __name__ == '__main__':
    main()
