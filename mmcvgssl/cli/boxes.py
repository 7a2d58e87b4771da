"""Cut boxes from anomaly maps, for a detector to learn from."""

from __future__ import annotations

import argparse

from mmcvgssl.cli.outcome import Outcome
from mmcvgssl.datasets.text_lists import add_encoding

EXAMPLE = 'mmcvgssl boxes maps parts/new --out boxes/annotations.json'
INTERRUPTED = 'run the same command again'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument('maps', help='folder that mmcvgssl maps wrote')
    parser.add_argument(
        'images', help='folder of the images, or a list with a path a line'
    )
    parser.add_argument(
        '--root',
        help="folder that listed paths are relative to (default: the list's)",
    )
    parser.add_argument(
        '--out',
        required=True,
        help='COCO file to write; report.json and report.png go beside it; '
        'those of other maps or options are moved to the folder earlier',
    )
    parser.add_argument(
        '--yolo', metavar='DIR', help='write label files to a new folder, too'
    )
    parser.add_argument(
        '--preview', metavar='DIR', help='draw maps and boxes over images'
    )
    parser.add_argument(
        '--preview-count',
        type=int,
        default=50,
        help='most pictures, evenly over the images (%(default)s)',
    )
    parser.add_argument(
        '--ground-truth',
        metavar='COCO.json',
        help='measure recall and precision against these boxes',
    )
    parser.add_argument(
        '--iou',
        dest='ious',
        metavar='IOU',
        type=float,
        nargs='+',
        default=[0.5, 0.3],
        help='overlaps to measure them at (%(default)s)',
    )
    parser.add_argument(
        '--val-fraction',
        type=float,
        help='besides OUT, write OUT_train.json and OUT_val.json with this '
        'share of the images for validation',
    )
    parser.add_argument(
        '--seed', type=int, default=0, help='of that division (%(default)s)'
    )
    parser.add_argument(
        '--allow-missing',
        action='store_true',
        help='leave out images without a map, and images that have changed '
        'since their maps were made, these up to --max-unreadable',
    )
    add_encoding(parser)
    parser.add_argument(
        '--max-unreadable',
        type=float,
        default=0.1,
        help='largest share of images that are left out, named in '
        'report.json, since they or their maps cannot be read, or with '
        '--allow-missing have changed (%(default)s)',
    )
    parser.add_argument(
        '--method',
        choices=['dataset_threshold', 'component_tree'],
        default='dataset_threshold',
        help='blobs above one map threshold for all images, or nested regions '
        'that stand out from their surroundings (%(default)s)',
    )
    cut = parser.add_mutually_exclusive_group()
    cut.add_argument(
        '--boxes-per-image',
        type=float,
        help='boxes that component_tree keeps, on average over the images; 3 '
        'by default',
    )
    cut.add_argument(
        '--margin',
        type=float,
        default=0.1,
        help="map threshold: mean of the maps' maxima less this, in units of "
        'the maps (%(default)s)',
    )
    cut.add_argument(
        '--map-threshold',
        '--threshold',
        type=float,
        help='given outright, in units of the maps',
    )
    parser.add_argument(
        '--min-area',
        type=float,
        help='least area of a blob, square pixels; by default max((height // '
        '100) * (width // 100), 10), of component_tree 0.5 %% of the image',
    )
    parser.add_argument(
        '--top-k',
        type=int,
        default=10,
        help='most boxes an image (%(default)s)',
    )
    parser.add_argument(
        '--nms-iou',
        type=float,
        help='drop a box that overlaps a better one by more; 0.8 by default, '
        '0.5 of component_tree',
    )


def run(args: argparse.Namespace) -> Outcome:
    """Cut boxes and report on them."""
    from mmcvgssl.apis import boxes_from_maps, boxes_text

    report = boxes_from_maps(**vars(args))
    return Outcome(
        boxes_text(report, args.out), {'out': args.out, 'report': report}
    )
