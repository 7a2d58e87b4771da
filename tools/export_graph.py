"""Write a model file as a graph that predicts without torch."""

import argparse

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.export_graph import COMPARED, FORMATS, export_graph
from mmcvgssl.cli import user_errors


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='The file holds normalisation, networks, what was fitted, '
        'calibration and threshold. It is written if it predicts --images as '
        'PyTorch does; tools/predict.py predicts by it, without torch.',
    )
    parser.add_argument(
        'model',
        help='the model file of an anomaly model, classifier or detector',
    )
    parser.add_argument(
        '--format', choices=FORMATS, default='onnx', help='default: onnx'
    )
    parser.add_argument(
        '--out',
        required=True,
        help='file to write: NAME.onnx, or NAME.xml with NAME.bin beside it',
    )
    parser.add_argument(
        '--images',
        required=True,
        help='image, folder or list of images that both predict, '
        f'{COMPARED} at most, evenly chosen; good and defective ones',
    )
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument(
        '--half', action='store_true', help='store weights in float16'
    )
    precision.add_argument(
        '--int8',
        metavar='DIR',
        help='compute convolutions in 8 bits, whose ranges are measured on '
        'the images of a folder or list',
    )
    parser.add_argument(
        '--tolerance',
        type=float,
        metavar='SHARE',
        help='largest difference of scores, as a share of the largest; '
        'default: 0.001, in float16 0.01, in int8 0.1',
    )
    parser.add_argument(
        '--flips',
        type=float,
        default=0.0,
        metavar='SHARE',
        help='largest share of --images with another verdict, class or box '
        'than by PyTorch, for which a file is still written; default: 0',
    )
    return parser.parse_args()


def main() -> None:
    """Export, and say what was compared."""
    args = parse_args()
    with user_errors():
        made = export_graph(
            *(args.model, args.out, args.images, args.format),
            *(args.half, args.int8, args.tolerance, args.flips),
        )
    checked = made.checked
    apart = ', '.join(
        f'{name} by {value:.2g}'
        for name, value in checked['differences'].items()
    )
    counts = ', '.join(
        f'{n} {name}' for name, n in checked['verdicts'].items()
    )
    print(
        f'compared with PyTorch on {checked["images"]} images ({counts}): '
        f'{apart} of the largest at most; another verdict: '
        f'{checked["flips"]}'
    )
    for remark in made.remarks:
        print(f'remark: {remark}')
    print(f'written: {args.out}')


if __name__ == '__main__':
    main()
