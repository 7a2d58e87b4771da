"""Write one HTML page about the results of work directories."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from mmcvgssl.cli.outcome import Outcome
from mmcvgssl.datasets.text_lists import add_encoding
from mmcvgssl.terminal_log import quieten_log
from mmcvgssl.utils import check_file, printable

EXAMPLE = """\
mmcvgssl report predictions --out report.html
"""
NOTES = """\
Shows what is there: training curves, few-shot accuracy, scores, heatmaps,
classes and boxes of predicted images, pseudo-boxes, settings and versions; and
says what is not there. The page needs no network.
"""
INTERRUPTED = 'nothing is written; run the same command again'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        'work_dirs',
        nargs='+',
        metavar='WORK_DIR',
        help='a folder of results, such as the work directory of a training '
        'or --out of mmcvgssl predict; folders in it are searched, too',
    )
    parser.add_argument(
        '--out',
        default='report.html',
        metavar='FILE',
        help='the page (default: %(default)s)',
    )
    parser.add_argument(
        '--truth',
        metavar='PATH',
        help='what is true of predicted images: a COCO file; a folder of '
        'images as mmcvgssl test --images takes it; or a list, NAME.txt: a '
        'path and a class index a line',
    )
    parser.add_argument(
        '--images',
        metavar='DIR',
        help='folder of the images, where they have moved or results do not '
        'say it; paths of --truth NAME.txt are relative to it',
    )
    add_encoding(parser)
    parser.add_argument(
        '--features',
        metavar='MODEL',
        help='show embeddings of predicted images, by a model file, the '
        'checkpoint of a training, or package:efficientnet-lite0',
    )
    parser.add_argument(
        '--pictures',
        type=int,
        default=48,
        metavar='N',
        help='most pictures of a gallery (default: %(default)s)',
    )
    parser.add_argument(
        '--points',
        type=int,
        default=500,
        metavar='N',
        help='most images that embeddings are shown of (default: %(default)s)',
    )
    parser.add_argument(
        '--megabytes',
        type=int,
        default=20,
        metavar='N',
        help='most megabytes of all pictures; the page has 5 more (default: '
        '%(default)s)',
    )
    parser.add_argument(
        '--device', help='of --features; by default the GPU, if there is one'
    )
    parser.add_argument(
        '--workers',
        type=int,
        metavar='N',
        help='processes that read images for --features; 0: none beside this',
    )


def run(args: argparse.Namespace) -> Outcome:
    """Write the page."""
    check_file(args.out, '--out')
    from mmcvgssl.reports import write_report

    quieten_log()
    made = write_report(**vars(args))
    counts = ', '.join(f'{n} of {kind}' for kind, n in made.found.items())
    text = (
        f'{printable(str(made.file))}: {counts}; {made.pictures} pictures, '
        f'{made.size / 1e6:.1f} MB'
    )
    return Outcome(text, asdict(made), tuple(map(printable, made.notes)))
