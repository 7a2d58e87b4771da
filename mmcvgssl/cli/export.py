"""Write a model file as a graph that predicts without torch."""

from __future__ import annotations

import argparse

from mmcvgssl.cli.outcome import Outcome
from mmcvgssl.terminal_log import quieten_log

EXAMPLE = """\
mmcvgssl export parts.safetensors --out parts.onnx --images parts/tested
"""
NOTES = """\
The file holds normalisation, networks, what was fitted, calibration and
threshold. It is written if it predicts --images as PyTorch does.
"""
INTERRUPTED = 'nothing is written; run the same command again'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    from mmcvgssl.apis.export_graph import COMPARED, FORMATS

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


def run(args: argparse.Namespace) -> Outcome:
    """Export, and say what was compared."""
    from mmcvgssl.apis.export_graph import export_graph

    quieten_log()
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
    left_out = checked['unreadable']
    lines = [
        f'compared with PyTorch on {checked["images"]} images ({counts}): '
        f'{apart} of the largest at most; another verdict: '
        f'{checked["flips"]}' + f'; not readable: {left_out}' * bool(left_out),
        *(f'remark: {remark}' for remark in made.remarks),
        f'written: {args.out}',
    ]
    data = {
        'out': args.out,
        'format': args.format,
        'precision': made.precision,
        'checked': checked,
        'remarks': made.remarks,
    }
    return Outcome('\n'.join(lines), data)
