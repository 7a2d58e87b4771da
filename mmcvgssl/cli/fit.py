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
mmcvgssl fit patchcore_lite0_folder --images parts/good \\
    --out parts.safetensors
"""
NOTES = """\
Run it again to go on: a finished fit is reused from the work directory. Then:
mmcvgssl predict MODEL IMAGES --out DIR.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        'config', nargs='?', help='one of configs/anomaly, or its name'
    )
    parser.add_argument(
        '--update',
        metavar='MODEL',
        help='instead of fitting a config: have this model file (PatchCore, '
        'PaDiM, MahalanobisAD or a classifier) learn from --images, too; of '
        'a classifier a folder with one folder a class',
    )
    parser.add_argument(
        '--earlier-images',
        metavar='PATH',
        help='images of the fit that --update goes on from, so that those '
        'held out are scored again (default: their scores of before count)',
    )
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
    """Fit, or update a model file."""
    if args.update is not None:
        return _update(args)
    if args.config is None:
        raise ValueError('expected a config, or --update MODEL, got neither')
    if args.earlier_images is not None:
        raise ValueError(
            '--earlier-images is for --update MODEL: leave it out'
        )
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


def _update(args: argparse.Namespace) -> Outcome:
    """Update a model file.

    Raises:
        ValueError: If options are of a fit alone, or images are missing.
    """
    if args.config is not None:
        raise ValueError(
            f'--update takes all from {args.update}: leave the config '
            f'{args.config} out'
        )
    if args.images is None:
        raise ValueError('--update needs --images, the new ones')
    others = ('false_alarm_rate', 'whole', 'licence', 'work_dir')
    for name in (*others, 'cfg_options', 'launcher'):
        if getattr(args, name) not in (None, False, [], 'none'):
            raise ValueError(
                f'--update takes all from {args.update}: leave '
                f'--{name.replace("_", "-")} out'
            )
    from mmcvgssl.apis.update_file import update_file
    from mmcvgssl.terminal_log import quieten_log

    quieten_log()
    made = update_file(args.update, args.out, args.images, args.earlier_images)
    return of_model_file(args.out, made)
