"""Write a trained detector as one file, for tools/predict.py."""

import argparse

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.export_model import THRESHOLD, export_model
from mmcvgssl.cli import add_cfg_options, add_licence, user_errors


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='The file holds the model by registered names, its weights, '
        'the names of its classes and how images are read; anomaly models '
        'get theirs from tools/fit.py, classifiers from tools/few_shot.py '
        '--save.',
    )
    parser.add_argument('checkpoint', help='of a training run, a detector')
    parser.add_argument(
        '--out', required=True, help='file to write, NAME.safetensors'
    )
    parser.add_argument(
        '--config',
        help='config of the training run, if the checkpoint holds none',
    )
    parser.add_argument(
        '--score-threshold',
        type=float,
        default=THRESHOLD,
        help='boxes below it are not shown, in [0, 1]; default: %(default)s',
    )
    add_licence(parser)
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    """Export, and say what was written."""
    args = parse_args()
    with user_errors():
        content = export_model(
            args.checkpoint,
            args.out,
            args.config,
            args.score_threshold,
            args.cfg_options,
            args.licence,
        )
    print(content.describe())
    print(f'written: {args.out}')


if __name__ == '__main__':
    main()
