"""Find boxes in unlabelled images by a trained detector, to learn from."""

from __future__ import annotations

import argparse

from mmcvgssl.cli.outcome import Outcome
from mmcvgssl.datasets.text_lists import add_encoding
from mmcvgssl.terminal_log import quieten_log

EXAMPLE = """\
mmcvgssl self-train work_dirs/RUN/epoch_300.pth --images DIR \\
    --labels COCO.json --held-out work_dirs/RUN/epoch_300.pth VAL.json \\
    --out work_dirs/joined
"""
NOTES = """\
Train again from the start that the detector had, by the same recipe, with
ann_file=work_dirs/joined/annotations.json. Without labels to hold out,
mmcvgssl prepare folds divides those there are; mmcvgssl pipeline does all of
this.
"""
INTERRUPTED = 'run the same command again'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        'model',
        help='the checkpoint of a trained detector, or its model file, of '
        'mmcvgssl export-model',
    )
    parser.add_argument(
        '--images',
        required=True,
        help='folder of images without labels, or a list with a path a line; '
        'those with labels keep them',
    )
    parser.add_argument(
        '--labels', required=True, help='COCO file of the true labels'
    )
    parser.add_argument(
        '--out',
        required=True,
        help='folder of annotations.json, report.json and boxes.jpg',
    )
    parser.add_argument(
        '--held-out',
        nargs=2,
        action='append',
        default=[],
        metavar=('MODEL', 'COCO'),
        help='a detector, and labels that it has not learned from, which '
        'thresholds are chosen on; for folds, several times',
    )
    parser.add_argument(
        '--threshold',
        type=float,
        metavar='SCORE',
        help='instead: score from which on boxes join, whatever their class',
    )
    parser.add_argument(
        '--precision',
        type=float,
        metavar='SHARE',
        help='choose the lowest threshold from which on this share of the '
        'held-out boxes fits a label (default: that of the best F0.5 score)',
    )
    parser.add_argument(
        '--iou',
        type=float,
        default=0.5,
        help='overlap from which a box fits a label (%(default)s)',
    )
    parser.add_argument(
        '--background',
        type=float,
        metavar='SCORE',
        help='images whose best box is below it join as images without a '
        'defect (default: images without a box that joins are left out)',
    )
    parser.add_argument(
        '--ignore-from',
        type=float,
        metavar='SCORE',
        help='boxes from this score to the threshold join as crowds, for '
        'detectors that learn nothing from these',
    )
    parser.add_argument(
        '--exclude',
        metavar='COCO',
        help='COCO file of images that are tested on: they are left out, and '
        'copies of them',
    )
    parser.add_argument(
        '--root',
        help="folder that listed paths and the labels' file_name are "
        "relative to (default: the folder of images, or the list's)",
    )
    add_encoding(parser)
    parser.add_argument(
        '--config',
        help='config of the training run, if the checkpoint holds none',
    )
    parser.add_argument('--device', help='by default the GPU, if there is one')
    parser.add_argument(
        '--workers',
        type=int,
        metavar='N',
        help='processes that read images; by default one a core, 8 at most',
    )


def run(args: argparse.Namespace) -> Outcome:
    """Find boxes, and say how many joined."""
    from dataclasses import asdict

    from mmcvgssl.apis import self_train, self_training_text

    quieten_log()
    made = self_train(**vars(args))
    return Outcome(self_training_text(made), asdict(made))
