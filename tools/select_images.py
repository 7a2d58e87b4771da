"""Name the images of a folder that are worth labelling first."""

import argparse
import sys

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.select import select_images, selection_text
from mmcvgssl.cli import user_errors
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.text_lists import add_encoding
from mmcvgssl.engine import keep_freed_memory
from mmcvgssl.maps.label_studio import LOCAL_FILES
from mmcvgssl.selection.methods import METHODS
from mmcvgssl.utils import printable


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Example: tools/select_images.py images --budget 28 '
        '--features package:efficientnet-lite0 --out chosen. Label these, '
        'list them with a class index behind each path, and choose the next '
        'ones by --known labelled.txt --method uncertainty.',
    )
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
        required=True,
        help='folder of selected.txt, contact_sheet.png, label_studio.json, '
        'cvat_coco.json and selection.json',
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
        'tools/predict.py, or the model file of an anomaly model',
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
    parser.add_argument(
        '--config', help='of the training, for a checkpoint that holds none'
    )
    parser.add_argument(
        '--size',
        type=int,
        metavar='PIXELS',
        help='side of the images for the features (default: 224; a model '
        'file has its own)',
    )
    parser.add_argument('--device', help='by default the GPU, if there is one')
    parser.add_argument('--batch-size', type=int, default=32)
    parser.add_argument(
        '--workers',
        type=int,
        metavar='N',
        help='processes that read images; 0: none beside this one',
    )
    return parser.parse_args()


def main() -> None:
    """Choose, and print the paths in the order of worth."""
    args = parse_args()
    keep_freed_memory()
    with user_errors():
        contents = Contents(args.images)
        found = select_images(**vars(args), contents=contents)
        for text in contents.warnings:
            print(printable(text), file=sys.stderr)
        print(contents.summary())
        print(selection_text(found, args.out))


if __name__ == '__main__':
    main()
