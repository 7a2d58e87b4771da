"""Train, fit and evaluate one-class detectors, category by category."""

import argparse
from pathlib import Path

from mmengine.dist import is_main_process

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.one_class.run import run_one_class
from mmcvgssl.cli import load_run_config, parse_run_args, user_errors


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Run it again to go on: finished categories are reused.',
    )
    parser.add_argument('config', help='one of configs/anomaly/cutpaste')
    parser.add_argument(
        '--categories',
        nargs='+',
        metavar='NAME',
        help='names, with spaces or commas between, or "all" that the data '
        'set has (default: --cfg-options category, or all)',
    )
    parser.add_argument(
        '--no-test',
        action='store_true',
        help='train and fit on good images; there is nothing to test on',
    )
    parser.add_argument(
        '--work-dir', help='gets a folder for each category, and the table'
    )
    return parse_run_args(parser)


def main() -> None:
    """Run all categories."""
    args = parse_args()
    with user_errors():
        cfg = load_run_config(args)
        given = (args.cfg_options or {}).get('category', 'all')
        names = args.categories or [given]
        run_one_class(cfg, cfg.work_dir, names, test=not args.no_test)
        if is_main_process():
            print(f'written to {Path(cfg.work_dir) / "results.md"}')


if __name__ == '__main__':
    main()
