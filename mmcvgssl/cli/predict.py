"""Predict images by a model file, and write what it says as tables."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from typing import TYPE_CHECKING

from mmcvgssl.cli.arguments import load_named_config
from mmcvgssl.cli.outcome import Outcome
from mmcvgssl.datasets.text_lists import add_encoding
from mmcvgssl.utils import check_folder, printable

if TYPE_CHECKING:
    from mmcvgssl.apis.prediction_folder import Predicts

EXAMPLE = """\
mmcvgssl predict parts.safetensors parts/new --out predictions
"""
NOTES = """\
Ends with 0 if an image could be read, whatever others are like: each of those
is named here and, with its reason, in the files. Ends with 1 if none could, or
on another error; what was found until then is in predictions.partial.jsonl,
and the same command goes on from it.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        'model',
        help='the model file, of mmcvgssl fit, mmcvgssl few-shot --save or '
        'mmcvgssl export-model; or a graph of mmcvgssl export, NAME.onnx or '
        'NAME.xml, which needs neither torch nor the hosts',
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
        help='write maps/, which mmcvgssl boxes reads',
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


def open_predictor(args: argparse.Namespace) -> Predicts:
    """Open the model: an exported one without importing torch.

    Raises:
        ValueError: If an option is none of an exported model.
    """
    from mmcvgssl.export.engines import is_exported

    if is_exported(args.model):
        for name in ('config', 'device'):
            if getattr(args, name) is not None:
                raise ValueError(
                    f'{args.model} reads images as it says, and computes on '
                    f'the CPU: leave --{name} out'
                )
        from mmcvgssl.apis.exported_predictor import ExportedPredictor

        made = ExportedPredictor(
            args.model, args.threshold, args.batch_size, args.workers
        )
        if made.warning:
            print(f'warning: {made.warning}', file=sys.stderr)
        return made
    require_torch(args.model)
    from mmcvgssl.apis import Predictor
    from mmcvgssl.engine import keep_freed_memory
    from mmcvgssl.terminal_log import quieten_log

    quieten_log()
    config = load_named_config(args.config) if args.config else None
    keep_freed_memory()
    return Predictor(
        args.model,
        config,
        args.device,
        args.batch_size,
        args.threshold,
        args.workers,
    )


def require_torch(model: str) -> None:
    """Check that what computes a model file is there.

    Raises:
        ModuleNotFoundError: If not.
    """
    if find_spec('torch') is None:
        raise ModuleNotFoundError(
            f'{model} needs PyTorch, which is not installed: pip install '
            'mmcvgssl with its requirements, or export the file where they '
            'are, by mmcvgssl export, and predict by NAME.onnx'
        )


def run(args: argparse.Namespace) -> Outcome:
    """Predict."""
    from mmcvgssl.apis.prediction_folder import Outputs, predict_to_folder
    from mmcvgssl.datasets.contents import Contents

    check_folder(args.out, '--out')
    if args.no_overlay and args.full_overlay:
        raise ValueError('--full-overlay draws what --no-overlay leaves out')
    predictor = open_predictor(args)
    contents = Contents(args.images)
    outputs = Outputs(not args.no_overlay, args.full_overlay, args.map)
    found = predict_to_folder(
        *(predictor, args.images, args.out, contents, outputs),
        *(args.root, args.encoding),
    )
    lines = [
        f'{predictor.kind.line(p)}  {printable(p.path)}'
        for p in found
        if p.is_read
    ]
    errors = [
        f'{"read, but" if p.is_read else "not read"}: {printable(p.error)}'
        for p in found
        if p.error is not None
    ]
    summary = (
        f'{len(found)} images: {predictor.kind.summary(found)}; written '
        f'to {args.out}'
    )
    warnings = [*map(printable, contents.warnings), *errors]
    data = {
        'out': args.out,
        'summary': predictor.kind.summary(found),
        'contents': contents.as_dict(),
        'predictions': [p.row() for p in found],
    }
    text = '\n'.join([contents.summary(), *lines, summary])
    return Outcome(text, data, tuple(warnings))
