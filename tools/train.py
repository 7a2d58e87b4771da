"""Train what a config describes."""

import argparse

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import run_training
from mmcvgssl.cli import load_run_config, parse_run_args, user_errors


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
        run_training(
            load_run_config(args), args.resume, args.amp, args.auto_scale_lr
        )


if __name__ == '__main__':
    main()
