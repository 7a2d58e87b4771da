"""Compare our training step and data path with a plain loop, in one run.

Both train the same student on the same files with the same views and size:
ours through the data set, transforms and model of this package, the plain one
view by view in float32 with PIL and torchvision. Each is timed in processes
of its own, in turn; the ratio of their rates is what counts.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from plain_loop import plain_loader, plain_losses, plain_step

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import load_config
from mmcvgssl.datasets.surface_images import EXTENSIONS
from mmcvgssl.engine import keep_freed_memory
from mmcvgssl.registry import MODELS, OPTIM_WRAPPERS
from mmcvgssl.runner.views import plan_views

CONFIG = (
    Path(__file__).parents[2]
    / 'configs/pretrain/cvgssl/cvgssl_resnet18_lite0_1xb64-300e_folder.py'
)


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument('--config', default=str(CONFIG))
    parser.add_argument('--images', help='folder; generated if not given')
    parser.add_argument('--view-size', type=int, default=128)
    parser.add_argument('--batch-size', type=int, default=64)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--iters', type=int, default=6)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument(
        '--views',
        default='auto',
        choices=['auto', 'workers', 'device'],
        help='where ours are made',
    )
    parser.add_argument('--one', choices=['ours', 'plain', 'losses'])
    return parser.parse_args()


def generate(folder: Path, n: int) -> None:
    """Write noisy grey images of 256 px with a scratch each."""
    random = np.random.default_rng(0)
    for i in range(n):
        image = random.normal(128, 20, (256, 256)).clip(0, 255)
        image = cv2.GaussianBlur(image, (5, 5), 1).astype(np.uint8)
        ends = random.integers(0, 256, 4).tolist()
        cv2.line(image, tuple(ends[:2]), tuple(ends[2:]), 220, 2)
        cv2.imwrite(str(folder / f'{i:04}.jpg'), image)


def setup(args: argparse.Namespace, ours: bool):
    """Build config and model."""
    cfg = load_config(
        args.config,
        {
            'data_root': args.images,
            'view_size': args.view_size,
            'train_dataloader.batch_size': args.batch_size,
            'train_dataloader.num_workers': args.workers,
            'train_dataloader.persistent_workers': args.workers > 0,
            'model.channels_last': ours,
        },
    )
    init_default_scope(cfg.default_scope)
    torch.manual_seed(0)
    preprocessor, plan = cfg.data_preprocessor, None
    if ours:
        cfg.views = args.views
        plan = plan_views(cfg, torch.cuda.is_available())
    if plan:
        preprocessor = plan.preprocessor(preprocessor)
        cfg.train_dataloader = plan.loader(cfg.train_dataloader)
    model = MODELS.build({**cfg.model, 'data_preprocessor': preprocessor})
    model.init_weights()
    device = 'cuda' if torch.cuda.is_available() else 'cpu'
    return cfg, model.to(device).train()


def endless(loader):
    """Start over when the loader ends."""
    while True:
        yield from loader


def clock() -> float:
    """Return the time when all queued work is done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def run_ours(args: argparse.Namespace) -> dict:
    """Time this package."""
    if not torch.cuda.is_available():
        keep_freed_memory()
    cfg, model = setup(args, ours=True)
    loader = endless(Runner.build_dataloader(cfg.train_dataloader, seed=0))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    wrapper = OPTIM_WRAPPERS.build(
        dict(type='mmcvgssl.AutocastOptimWrapper', optimizer=optimizer)
    )
    parts = dict.fromkeys(('data', 'teacher', 'student', 'backward'), 0.0)
    teach = model.teach

    def timed_teach(*a):
        begin = clock()
        out = teach(*a)
        parts['teacher'] += clock() - begin
        return out

    model.teach = timed_teach
    for i in range(args.iters + 2):
        if i == 2:  # two to warm up
            parts = dict.fromkeys(parts, 0.0)
            start = clock()
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
    total = clock() - start
    parts['student'] -= parts['teacher']
    return report(args, total, parts)


def run_plain(args: argparse.Namespace) -> dict:
    """Time the plain loop."""
    _, model = setup(args, ours=False)
    paths = [
        str(path)
        for path in sorted(Path(args.images).rglob('*'))
        if path.suffix.lower() in EXTENSIONS
    ]
    loader = endless(
        plain_loader(paths, args.view_size, args.batch_size, args.workers)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
    for i in range(args.iters + 2):
        if i == 2:
            start = clock()
        plain_step(model, next(loader), optimizer)
    return report(args, clock() - start, {})


def run_losses(args: argparse.Namespace) -> dict:
    """Compute the terms both ways for the same weights and views."""
    cfg, model = setup(args, ours=True)
    cfg.train_dataloader.num_workers = 0
    cfg.train_dataloader.persistent_workers = False
    loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
    batch = model.data_preprocessor(next(iter(loader)), True)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    rows = {'plain': plain_losses(model, batch['inputs'])}
    for title, per_view, dtype in (
        ('ours, batch norm per view', True, None),
        ('ours', False, None),
        ('ours, bfloat16', False, torch.bfloat16),
    ):
        model.load_state_dict(state)
        model.per_view_bn = per_view
        device = batch['inputs'][0].device.type
        with torch.autocast(device, dtype, enabled=dtype is not None):
            rows[title] = model(**batch, mode='loss')
    return {
        title: {key: value.item() for key, value in row.items()}
        for title, row in rows.items()
    }


def report(args: argparse.Namespace, seconds: float, parts: dict) -> dict:
    """Return images a second, peak memory in MiB and shares of time."""
    usage = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    out = {
        'images_per_second': args.iters * args.batch_size / seconds,
        'peak_host_mib': usage,
        'shares': {k: v / seconds for k, v in parts.items()},
    }
    if torch.cuda.is_available():
        out['peak_device_mib'] = torch.cuda.max_memory_allocated() / 2**20
    return out


def child(args: argparse.Namespace, one: str) -> dict:
    """Run one measurement in a process of its own."""
    command = [sys.executable, __file__, '--one', one]
    keys = ('config', 'images', 'view_size', 'batch_size', 'workers', 'views')
    for key in keys:
        command += ['--' + key.replace('_', '-'), str(getattr(args, key))]
    command += ['--iters', str(args.iters)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure in turn and print medians and ratios."""
    args = parse_args()
    if args.one:
        run = {'ours': run_ours, 'plain': run_plain, 'losses': run_losses}
        print(json.dumps(run[args.one](args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        if args.images is None:
            args.images = folder
            generate(Path(folder), 4 * args.batch_size)
        print('loss terms of one batch')
        for title, row in child(args, 'losses').items():
            terms = '  '.join(f'{k} {v:.5f}' for k, v in row.items())
            print(f'  {title:28}{terms}')
        rounds = []
        for i in range(args.rounds):
            rounds.append([child(args, 'plain'), child(args, 'ours')])
            rates = [r['images_per_second'] for r in rounds[-1]]
            print(
                f'round {i + 1}: plain {rates[0]:.1f}, ours {rates[1]:.1f} '
                f'images/s, ratio {rates[1] / rates[0]:.2f}',
                flush=True,
            )
    ratios = [
        b['images_per_second'] / a['images_per_second'] for a, b in rounds
    ]
    plain, ours = rounds[-1]
    for key in ('peak_host_mib', 'peak_device_mib'):
        if key in ours:
            print(f'{key}: plain {plain[key]:.0f}, ours {ours[key]:.0f}')
    shares = ', '.join(f'{k} {v:.0%}' for k, v in ours['shares'].items())
    print(f'where our time goes: {shares}')
    print(f'median ratio: {float(np.median(ratios)):.2f}')


if __name__ == '__main__':
    main()
