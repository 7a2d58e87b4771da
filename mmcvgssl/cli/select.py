"""Name the images of a folder that are worth labelling first."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from mmcvgssl.cli.arguments import add_features
from mmcvgssl.cli.outcome import Outcome
from mmcvgssl.datasets.text_lists import add_encoding
from mmcvgssl.terminal_log import quieten_log

EXAMPLE = """\
mmcvgssl select parts/good --budget 3 --out chosen \\
    --features package:efficientnet-lite0
"""
NOTES = """\
Label these, list them with a class index behind each path, and choose the next
ones by --known labelled.txt --method uncertainty.
"""
OUT = 'selected'
INTERRUPTED = 'run the same command again'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from mmcvgssl.maps.label_studio import LOCAL_FILES
    from mmcvgssl.selection.methods import METHODS

    parser.add_argument(
        'images', help='a folder, or a list, NAME.txt: one path a line'
    )
    parser.add_argument(
        '--budget',
        type=int,
        required=True,
        metavar='N',
        help='number of images to choose',
    )
    parser.add_argument(
        '--features',
        required=True,
        metavar='MODEL',
        help='a model file, the checkpoint of a training, or '
        'package:efficientnet-lite0',
    )
    parser.add_argument(
        '--out',
        default=OUT,
        help='folder of selected.txt, contact_sheet.png, label_studio.json, '
        'cvat_coco.json and selection.json (default: %(default)s)',
    )
    parser.add_argument('--method', choices=METHODS, default='kmeans')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--known',
        metavar='LIST',
        help='labelled images, one path a line, for uncertainty with a class '
        'index behind it: they count as covered, and are not chosen',
    )
    parser.add_argument(
        '--scores',
        metavar='FILE',
        help='anomaly scores that weigh images: predictions.json or .csv of '
        'mmcvgssl predict, or the model file of an anomaly model',
    )
    parser.add_argument(
        '--maps',
        metavar='DIR',
        help='anomaly maps, for boxes to correct',
    )
    parser.add_argument(
        '--classes',
        nargs='+',
        default=[],
        metavar='NAME',
        help='classes for the labelling tools',
    )
    parser.add_argument(
        '--address',
        default=LOCAL_FILES,
        metavar='START',
        help="of the images' addresses in Label Studio (default: "
        f'{LOCAL_FILES.replace("%", "%%")}, its local files)',
    )
    parser.add_argument(
        '--root',
        help="folder that listed paths are relative to (default: the list's)",
    )
    add_encoding(parser)
    add_features(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Choose; the paths are in the order of worth."""
    from mmcvgssl.apis.select import select_images, selection_text
    from mmcvgssl.datasets.contents import Contents
    from mmcvgssl.engine import keep_freed_memory

    quieten_log()
    keep_freed_memory()
    contents = Contents(args.images)
    found = select_images(**vars(args), contents=contents)
    return Outcome(
        selection_text(found, args.out),
        {'out': args.out, 'contents': contents.as_dict(), **asdict(found)},
    )
