"""Train what a config describes."""

import argparse

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import (
    build_runner,
    check_before_training,
    claim_work_dir,
    use_amp,
)
from mmcvgssl.apis.cli import load_run_config, parse_run_args, user_errors
from mmcvgssl.apis.train import start_processes
from mmcvgssl.locks import locked
from mmcvgssl.weights.checkpoints import checkpoints_in


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
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
    return parse_run_args(parser)


def main() -> None:
    """Train."""
    args = parse_args()
    with user_errors():
        if args.resume == '':
            raise ValueError(
                '--resume is empty: expected a checkpoint, or --resume alone '
                'for the latest of the work directory'
            )
        cfg = load_run_config(args)
        load_from = cfg.get('load_from')
        if args.resume is not None:
            cfg.resume = True
            if args.resume != 'auto':
                cfg.load_from = args.resume
            elif checkpoints_in(cfg.work_dir):
                # what the run itself has learned goes before where it began
                cfg.load_from = None
            elif cfg.get('load_from'):
                cfg.resume = False  # nothing yet: begin where it should
        if args.amp:
            use_amp(cfg)
        if args.auto_scale_lr:
            if 'auto_scale_lr' not in cfg:
                raise KeyError(
                    f'{args.config} has no auto_scale_lr.base_batch_size, '
                    'which --auto-scale-lr needs'
                )
            cfg.auto_scale_lr.enable = True
        start_processes(cfg)
        with locked(cfg.work_dir):
            runner = build_runner(cfg)
            check_before_training(runner)
            claim_work_dir(runner, load_from, args.resume)
            runner.train()


if __name__ == '__main__':
    main()
