"""Train, fit and evaluate one-class detectors, category by category."""

from __future__ import annotations

import argparse
from pathlib import Path

from mmcvgssl.cli.arguments import add_run_options, load_run_config
from mmcvgssl.cli.outcome import Outcome

EXAMPLE = """\
mmcvgssl one-class untrained_lite0_mvtec --categories bottle
"""
NOTES = 'Run it again to go on: finished categories are reused.'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
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
    add_run_options(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Run all categories."""
    from mmcvgssl.apis.one_class.run import run_one_class
    from mmcvgssl.apis.one_class.table import table

    cfg = load_run_config(args)
    given = (args.cfg_options or {}).get('category', 'all')
    names = args.categories or [given]
    results = run_one_class(cfg, cfg.work_dir, names, test=not args.no_test)
    file = Path(cfg.work_dir) / 'results.md'
    text = f'{table(results)}written to {file}'
    return Outcome(text, {'work_dir': cfg.work_dir, 'categories': results})
