"""Compare our training step and data path with others, in one run.

Both train the same student on the same files with the same views and size,
ours through the data set, transforms and model of this package. `--against
plain` trains view by view in float32 with PIL and torchvision; `--against
hosts` trains the same recipe with mmpretrain's transforms and mmengine's
update, in float32. Each is timed in processes of its own, in turn; the ratio
of their rates is what counts.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from limits import matrix_rate
from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from plain_loop import plain_loader, plain_losses, plain_step
from plain_recipe import as_hosts
from surfaces import write_surfaces
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from turns import (
    apart,
    busy_share,
    clock,
    device,
    in_turns,
    median_of,
    peaks,
    print_table,
    ratio,
    say,
)

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.cli.arguments import load_named_config
from mmcvgssl.datasets.surface_images import EXTENSIONS
from mmcvgssl.engine import keep_freed_memory
from mmcvgssl.registry import MODELS
from mmcvgssl.runner.views import plan_views
from mmcvgssl.utils import available_cores

CONFIG = 'cvgssl_resnet18_lite0_1xb64-300e_folder'
PLAIN, HOSTS, OURS = 'plain', 'hosts', 'ours'
MATRICES = '% of bfloat16 matrix rate'
GPU = device() == 'cuda'


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--config', default=CONFIG, help='or a recipe')
    parser.add_argument('--against', default=PLAIN, choices=[PLAIN, HOSTS])
    parser.add_argument('--images', help='folder; generated if not given')
    parser.add_argument('--view-size', type=int, default=224 if GPU else 128)
    parser.add_argument('--batch-size', type=int, default=64 if GPU else 32)
    parser.add_argument(
        '--workers', type=int, default=min(available_cores(), 16)
    )
    parser.add_argument('--iters', type=int, default=60 if GPU else 2)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument(
        '--views',
        default='auto',
        choices=['auto', 'workers', 'device'],
        help='where ours are made',
    )
    return parser.parse_args()


def recipe(args: argparse.Namespace, kind: str) -> Config:
    """Return the config of a kind."""
    # not a line for each weight
    MMLogger.get_current_instance().setLevel('ERROR')
    cfg = load_named_config(
        args.config,
        {
            'data_root': args.images,
            'view_size': args.view_size,
            'train_dataloader.batch_size': args.batch_size,
            'train_dataloader.num_workers': args.workers,
            'train_dataloader.persistent_workers': args.workers > 0,
            'model.channels_last': kind != PLAIN,
            'optim_wrapper.type': 'mmcvgssl.AutocastOptimWrapper',
        },
    )
    init_default_scope(cfg.default_scope)
    if kind == HOSTS:
        return as_hosts(cfg)
    if kind == OURS:
        cfg.views = args.views
        plan = plan_views(cfg, GPU)
        if plan:
            cfg.data_preprocessor = plan.preprocessor(cfg.data_preprocessor)
            cfg.train_dataloader = plan.loader(cfg.train_dataloader)
    return cfg


def build(cfg: Config) -> nn.Module:
    """Build the model of a config."""
    torch.manual_seed(0)
    model = MODELS.build(
        {**cfg.model, 'data_preprocessor': cfg.data_preprocessor}
    )
    model.init_weights()
    return model.to(device()).train()


def warm_up(args: argparse.Namespace) -> int:
    """Count the updates that do not count."""
    # what workers have loaded meanwhile does not, either
    return 2 * args.workers + 2 if GPU else 2


def rate(args: argparse.Namespace, step: Callable[[], object]) -> dict:
    """Return images a second and peak memory, and how busy the GPU is."""
    for _ in range(warm_up(args)):
        step()
    start = clock()
    for _ in range(args.iters):
        step()
    seconds = clock() - start
    out = {'rate': args.iters * args.batch_size / seconds, **peaks()}
    if GPU:
        out['busy'] = busy_share(lambda: [step() for _ in range(args.iters)])
    return out


def ready(
    cfg: Config, model: nn.Module
) -> tuple[Iterator[Any], Callable[[], Any]]:
    """Return the batches of a config, and what makes an update."""
    loader = iter(Runner.build_dataloader(cfg.train_dataloader, seed=0))
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    return loader, lambda: model.train_step(next(loader), wrapper)


def run_recipe(args: argparse.Namespace, kind: str) -> dict:
    """Time this package, or the hosts."""
    if kind == OURS and not GPU:
        keep_freed_memory()
    cfg = recipe(args, kind)
    model = build(cfg)
    loader, update = ready(cfg, model)
    found = rate(args, update)
    if kind == OURS:
        work = operations(model, next(loader)) / args.batch_size / 1e12
        best = matrix_rate(device(), torch.bfloat16)
        found['of_matrices'] = found['rate'] * work / best
    return found


def operations(model: nn.Module, batch: dict) -> float:
    """Count multiplications and additions of an update.

    A backward pass is twice the work of its forward pass; PyTorch's own count
    of it takes depthwise convolutions for whole ones.
    """
    teach, counted = model.teach, FlopCounterMode(display=False)

    def counted_teach(*given):
        with counted:
            return teach(*given)

    model.teach = counted_teach
    with FlopCounterMode(display=False) as every, torch.no_grad():
        model(**model.data_preprocessor(batch, True), mode='loss')
    model.teach = teach
    whole, teachers = every.get_total_flops(), counted.get_total_flops()
    return 3 * (whole - teachers) + teachers


def run_plain(args: argparse.Namespace) -> dict:
    """Time the plain loop."""
    model = build(recipe(args, PLAIN))
    paths = [
        str(path)
        for path in sorted(Path(args.images).rglob('*'))
        if path.suffix.lower() in EXTENSIONS
    ]
    loader = iter(
        plain_loader(paths, args.view_size, args.batch_size, args.workers)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    return rate(args, lambda: plain_step(model, next(loader), optimizer))


def run_shares(args: argparse.Namespace) -> dict:
    """Return the shares of our time, with the device waited for."""
    if not GPU:
        keep_freed_memory()
    cfg = recipe(args, OURS)
    model = build(cfg)
    loader = iter(Runner.build_dataloader(cfg.train_dataloader, seed=0))
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    parts = dict.fromkeys(('data', 'teacher', 'student', 'backward'), 0.0)
    teach = model.teach

    def timed_teach(*given):
        begin = clock()
        out = teach(*given)
        parts['teacher'] += clock() - begin
        return out

    model.teach = timed_teach
    for i in range(args.iters + 2):
        if i == 2:  # two to warm up
            parts = dict.fromkeys(parts, 0.0)
        begin = clock()
        batch = model.data_preprocessor(next(loader), True)
        loaded = clock()
        with wrapper.optim_context(model):
            losses = model(**batch, mode='loss')
        loss, _ = model.parse_losses(losses)
        forward = clock()
        wrapper.update_params(loss)
        parts['data'] += loaded - begin
        parts['student'] += forward - loaded
        parts['backward'] += clock() - forward
    parts['student'] -= parts['teacher']
    total = sum(parts.values())
    return {part: seconds / total for part, seconds in parts.items()}


def run_losses(args: argparse.Namespace) -> dict:
    """Compute the terms in several ways for the same weights and views."""
    cfg = recipe(args, OURS)
    model = build(cfg)
    cfg.train_dataloader.num_workers = 0
    cfg.train_dataloader.persistent_workers = False
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    batch = model.data_preprocessor(next(iter(loader)), True)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    rows = {}
    if args.against == PLAIN:
        rows['plain'] = plain_losses(model, batch['inputs'])
    for title, per_view, dtype in (
        ('ours, batch norm per view', True, None),
        ('ours', False, None),
        ('ours, bfloat16', False, torch.bfloat16),
    ):
        model.load_state_dict(state)
        model.per_view_bn = per_view
        torch.manual_seed(0)  # of what is mixed
        with torch.autocast(device(), dtype, enabled=dtype is not None):
            rows[title] = model(**batch, mode='loss')
    return {
        title: {key: value.item() for key, value in row.items()}
        for title, row in rows.items()
    }


def measure(args: argparse.Namespace, kind: str) -> dict:
    """Time a kind."""
    return run_plain(args) if kind == PLAIN else run_recipe(args, kind)


def main() -> None:
    """Measure in turn and print medians and ratios."""
    args = parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.images is None:
            args.images = folder
            # an epoch is as long as a measurement
            updates = warm_up(args) + (1 + GPU) * args.iters + 1
            write_surfaces(Path(folder), updates * args.batch_size, 256)
        print('loss terms of one batch')
        for title, row in apart(run_losses, args).items():
            terms = '  '.join(f'{k} {v:.5f}' for k, v in row.items())
            print(f'  {title:28}{terms}', flush=True)
        found = in_turns(measure, args, (args.against, OURS))
        shares = apart(run_shares, args).items()
    print_table(found, args.against)
    parts = ', '.join(f'{name} {share:.0%}' for name, share in shares)
    print(f'where our time goes: {parts}')
    values = {
        f'times {args.against}': ratio(found, OURS, args.against),
        'images/s': median_of(found, OURS),
        MATRICES: 100 * median_of(found, OURS, 'of_matrices'),
    }
    if GPU:
        values['GPU busy, %'] = 100 * median_of(found, OURS, 'busy')
    say(values)


if __name__ == '__main__':
    main()
