"""Fit an anomaly model and write it to one file that predicts."""

from __future__ import annotations

import argparse

from mmcvgssl.cli.arguments import (
    add_licence,
    add_run_options,
    load_run_config,
)
from mmcvgssl.cli.outcome import Outcome, of_model_file

EXAMPLE = """\
mmcvgssl fit patchcore_lite0_folder --images parts/good --out \\
    parts.safetensors
"""
NOTES = """\
Run it again to go on: a finished fit is reused from the work directory. Then:
mmcvgssl predict MODEL IMAGES --out DIR.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('config', help='one of configs/anomaly, or its name')
    parser.add_argument(
        '--out', required=True, help='the model file, NAME.safetensors'
    )
    parser.add_argument(
        '--images',
        help='folder or list of good images to fit to, or of a whole '
        'collection for models that learn from one (default: those of the '
        'config)',
    )
    parser.add_argument(
        '--false-alarm-rate',
        type=rate,
        metavar='RATE',
        help='wanted share of good images above the threshold, or none for '
        'no threshold (default: as the config says, or 0.05 if the images '
        'are good and enough)',
    )
    parser.add_argument(
        '--whole',
        action='store_true',
        help='store the weights of installed packages, too: the file then '
        'needs no package of weights beside it',
    )
    add_licence(parser)
    parser.add_argument(
        '--work-dir', help='folder of the fitted state, checkpoints and logs'
    )
    add_run_options(parser)


def rate(text: str) -> float | str:
    """Read a share, or ``none``."""
    if text.lower() == 'none':
        return 'none'
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(
            f'expected a share between 0 and 1, or none, got {text}'
        )
    return value


def run(args: argparse.Namespace) -> Outcome:
    """Fit."""
    from mmcvgssl.apis.fit import fit_model

    made = fit_model(
        load_run_config(args),
        args.out,
        args.images,
        args.false_alarm_rate,
        args.whole,
        args.licence,
    )
    if made is None:  # another process writes the file
        return Outcome('')
    return of_model_file(args.out, made)
