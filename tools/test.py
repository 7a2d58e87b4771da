"""Evaluate a checkpoint by the test loop of a config."""

import argparse
import json
from pathlib import Path

from mmengine.dist import is_main_process

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis import build_runner
from mmcvgssl.apis.cli import load_run_config, parse_run_args, user_errors
from mmcvgssl.utils import atomic_write


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('config', help='config file')
    parser.add_argument(
        'checkpoint',
        nargs='?',
        default='none',
        help="checkpoint file, or 'none' for what is fitted, not trained",
    )
    parser.add_argument('--work-dir', help='folder of logs')
    parser.add_argument('--out', help='file for the metrics, as JSON')
    return parse_run_args(parser)


def main() -> None:
    """Test."""
    args = parse_args()
    with user_errors():
        cfg = load_run_config(args)
        checkpoint = None if args.checkpoint == 'none' else args.checkpoint
        if checkpoint and not Path(checkpoint).is_file():
            raise FileNotFoundError(f'no checkpoint {checkpoint}')
        if cfg.get('test_dataloader') is None:
            raise ValueError(
                f'{args.config} describes no test; a pretraining config is '
                'evaluated by tools/few_shot.py'
            )
        if checkpoint or 'load_from' not in (args.cfg_options or {}):
            cfg.load_from = checkpoint
        metrics = build_runner(cfg, testing=True).test()
        if args.out and is_main_process():
            plain = {key: float(value) for key, value in metrics.items()}
            atomic_write(args.out, json.dumps(plain, indent=1).encode())


if __name__ == '__main__':
    main()
