"""Write a trained detector as one file that predicts."""

from __future__ import annotations

import argparse

from mmcvgssl.cli.arguments import add_cfg_options, add_licence
from mmcvgssl.cli.outcome import Outcome, of_model_file
from mmcvgssl.terminal_log import quieten_log

EXAMPLE = """\
mmcvgssl export-model work_dirs/RUN/epoch_300.pth --out model.safetensors
"""
NOTES = """\
The file holds the model by registered names, its weights, the names of its
classes and how images are read; anomaly models get theirs from mmcvgssl fit,
classifiers from mmcvgssl few-shot --save.
"""
INTERRUPTED = 'run the same command again'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from mmcvgssl.apis.export_model import THRESHOLD

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
    parser.add_argument(
        '--tile',
        metavar='PIXELS',
        help='detect in overlapping tiles of this side, or auto for the size '
        'that images are resized to, so that small defects of large images '
        'are seen (default: as the config says, or in whole images)',
    )
    parser.add_argument(
        '--overlap',
        type=int,
        metavar='PIXELS',
        help='that neighbouring tiles share at least, as many as the largest '
        'defect has (default: an eighth of the tile)',
    )
    add_licence(parser)
    add_cfg_options(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Export, and say what was written."""
    from mmcvgssl.apis.export_model import export_model

    quieten_log()
    content = export_model(
        args.checkpoint,
        args.out,
        args.config,
        args.score_threshold,
        args.cfg_options,
        args.licence,
        _side(args.tile),
        args.overlap,
    )
    return of_model_file(args.out, content)


def _side(text: str | None) -> int | str | None:
    """Return a number where the text is one."""
    number = (text or '').removeprefix('-').isdigit()
    return int(text) if text is not None and number else text
