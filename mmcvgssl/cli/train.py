"""Train what a config describes."""

from __future__ import annotations

import argparse

from mmcvgssl.cli.arguments import add_run_options, load_run_config
from mmcvgssl.cli.outcome import Outcome

EXAMPLE = """\
mmcvgssl train cvgssl-regress_resnet18_lite0_1xb64-400e_folder \\
    --cfg-options data_root=DIR
"""
NOTES = """\
Several processes: torchrun --nproc-per-node 4 -m mmcvgssl train CONFIG
"""
INTERRUPTED = 'the same command with --resume goes on from the last checkpoint'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('config', help='config file, or the name of a recipe')
    parser.add_argument('--work-dir', help='folder of logs and checkpoints')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='FILE',
        help='continue from FILE, or from the latest checkpoint of the work '
        'directory if no file is given',
    )
    parser.add_argument(
        '--amp',
        action='store_true',
        help='mixed precision: float16 on an accelerator, bfloat16 on a '
        'CPU that computes in it',
    )
    parser.add_argument(
        '--auto-scale-lr',
        action='store_true',
        help='scale the learning rate with the total batch size',
    )
    add_run_options(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Train."""
    from mmcvgssl.apis import run_training
    from mmcvgssl.weights.checkpoints import newest_whole_checkpoint

    runner = run_training(
        load_run_config(args), args.resume, args.amp, args.auto_scale_lr
    )
    checkpoint = newest_whole_checkpoint(runner.work_dir)
    data = {
        'work_dir': runner.work_dir,
        'log_dir': runner.log_dir,
        'epochs': runner.epoch,
        'updates': runner.iter,
        'checkpoint': checkpoint,
    }
    where = 'no checkpoint' if checkpoint is None else checkpoint
    text = f'trained: {runner.iter} updates; {where}, log in {runner.log_dir}'
    return Outcome(text, data)
