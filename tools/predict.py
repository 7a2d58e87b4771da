"""Predict images by a model file, and write what it says as tables."""

import argparse
import sys

import mmcvgssl  # noqa: F401  (makes the hosts importable)
from mmcvgssl.apis.prediction_folder import (
    Outputs,
    Predicts,
    predict_to_folder,
)
from mmcvgssl.datasets.contents import Contents
from mmcvgssl.datasets.text_lists import add_encoding
from mmcvgssl.export.engines import is_exported
from mmcvgssl.runner.user_errors import user_errors
from mmcvgssl.utils import check_folder, printable


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='Ends with 0 if an image could be read, whatever others are '
        'like: each of those is named here and, with its reason, in the '
        'files. Ends with 1 if none could, or on another error; what was '
        'found until then is in predictions.partial.jsonl, and the same '
        'command goes on from it.',
    )
    parser.add_argument(
        'model',
        help='the model file, of tools/fit.py, tools/few_shot.py --save or '
        'tools/export_model.py; or a graph of tools/export_graph.py, '
        'NAME.onnx or NAME.xml, which needs neither torch nor the hosts',
    )
    parser.add_argument(
        'images',
        help='an image, a folder of images, or a list, NAME.txt: one path a '
        'line',
    )
    parser.add_argument(
        '--root',
        help="folder that listed paths are relative to (default: the list's)",
    )
    add_encoding(parser)
    parser.add_argument(
        '--out',
        required=True,
        help='folder of predictions.csv, predictions.json, overlays and maps',
    )
    parser.add_argument(
        '--threshold',
        type=float,
        metavar='VALUE',
        help="instead of the file's: score above which an image is called "
        'defective, or from which on a box counts; classifiers have none',
    )
    parser.add_argument(
        '--no-overlay', action='store_true', help='draw no pictures'
    )
    parser.add_argument(
        '--full-overlay',
        action='store_true',
        help='draw on images in full size, also where the model reads a JPEG '
        'at a half, a quarter or an eighth of it',
    )
    parser.add_argument(
        '--map',
        action='store_true',
        help='write maps/, which tools/maps_to_boxes.py reads',
    )
    parser.add_argument(
        '--workers',
        type=int,
        metavar='N',
        help='processes that read images; 0: none beside this one; by '
        'default one a core, or half of them where they compute, too, 8 at '
        'most, and none for a few images',
    )
    parser.add_argument(
        '--config',
        help='says how an anomaly model reads images, instead of its file',
    )
    parser.add_argument('--device', help='by default the GPU, if there is one')
    parser.add_argument('--batch-size', type=int, default=32)
    args = parser.parse_args()
    if args.no_overlay and args.full_overlay:
        parser.error('--full-overlay draws what --no-overlay leaves out')
    return args


def open_predictor(args: argparse.Namespace) -> Predicts:
    """Open the model: an exported one without importing torch.

    Raises:
        ValueError: If an option is none of an exported model.
    """
    if is_exported(args.model):
        for name in ('config', 'device'):
            if getattr(args, name) is not None:
                raise ValueError(
                    f'{args.model} reads images as it says, and computes on '
                    f'the CPU: leave --{name} out'
                )
        from mmcvgssl.apis.predict_exported import ExportedPredictor

        made = ExportedPredictor(
            args.model, args.threshold, args.batch_size, args.workers
        )
        if made.warning:
            print(f'warning: {made.warning}', file=sys.stderr)
        return made
    # here, as they import torch
    from mmcvgssl.apis import Predictor, load_config
    from mmcvgssl.engine import keep_freed_memory

    config = load_config(args.config) if args.config else None
    keep_freed_memory()
    return Predictor(
        args.model,
        config,
        args.device,
        args.batch_size,
        args.threshold,
        args.workers,
    )


def main() -> None:
    """Predict."""
    args = parse_args()
    with user_errors():
        check_folder(args.out, '--out')
        predictor = open_predictor(args)
        contents = Contents(args.images)
        outputs = Outputs(not args.no_overlay, args.full_overlay, args.map)
        found = predict_to_folder(
            *(predictor, args.images, args.out, contents, outputs),
            *(args.root, args.encoding),
        )
        for text in contents.warnings:
            print(printable(text), file=sys.stderr)
        print(contents.summary())
        for p in found:
            if p.is_read:
                print(f'{predictor.kind.line(p)}  {printable(p.path)}')
        for p in found:
            if p.error is not None:
                what = 'read, but' if p.is_read else 'not read'
                print(f'{what}: {printable(p.error)}', file=sys.stderr)
        print(
            f'{len(found)} images: {predictor.kind.summary(found)}; written '
            f'to {args.out}'
        )


if __name__ == '__main__':
    main()
