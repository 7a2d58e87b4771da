"""Fit an anomaly model and write it to one file, for tools/predict.py."""

import argparse

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.fit import fit_model
from mmcvgssl.cli import (
    add_licence,
    load_run_config,
    parse_run_args,
    user_errors,
)
from mmcvgssl.utils import printable


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Run it again to go on: a finished fit is reused from the '
        'work directory. Then: tools/predict.py MODEL IMAGES --out DIR.',
    )
    parser.add_argument('config', help='one of configs/anomaly')
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
    return parse_run_args(parser)


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


def main() -> None:
    """Fit."""
    args = parse_args()
    with user_errors():
        made = fit_model(
            load_run_config(args),
            args.out,
            args.images,
            args.false_alarm_rate,
            args.whole,
            args.licence,
        )
        if made is not None:
            print(printable(f'{args.out}:'))
            print(made.describe())


if __name__ == '__main__':
    main()
