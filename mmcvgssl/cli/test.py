"""Measure a model on labelled images by a test loop."""

from __future__ import annotations

import argparse

from mmcvgssl.cli.arguments import add_run_options, load_run
from mmcvgssl.cli.outcome import Outcome

EXAMPLE = 'mmcvgssl test parts.safetensors --images parts/tested'
NOTES = 'Nothing is fitted or trained that a model file holds already.'
INTERRUPTED = 'run the same command again'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        'config',
        help='config file or recipe, or a model file, of mmcvgssl fit, '
        'mmcvgssl few-shot --save or mmcvgssl export-model',
    )
    parser.add_argument(
        'checkpoint',
        nargs='?',
        default='none',
        help='checkpoint or model file, which is tested on the images of the '
        "config; 'none' for what is fitted, not trained",
    )
    parser.add_argument(
        '--images',
        help='for a model file, what to test it on. Anomaly model: a folder '
        'of images, good ones and those of each defect in folders of their '
        'own, or MVTec-style; classifier: a folder with a folder for each '
        'class; detector: a COCO file, or the folder of images that holds it',
    )
    parser.add_argument(
        '--root',
        help='folder that the names in a COCO file are relative to (default: '
        'that of the file)',
    )
    parser.add_argument(
        '--work-dir',
        help='folder of logs and predictions, which mmcvgssl report shows',
    )
    parser.add_argument(
        '--maps',
        action='store_true',
        help='keep the maps of an anomaly model beside its predictions',
    )
    parser.add_argument('--out', help='file for the metrics, as JSON')
    add_run_options(parser)


def run(args: argparse.Namespace) -> Outcome:
    """Test."""
    from mmcvgssl.apis import run_test

    cfg, model = load_run(args)
    checkpoint = args.checkpoint
    if checkpoint == 'none':
        named = 'load_from' in (args.cfg_options or {})
        checkpoint = cfg.get('load_from') if named else None
    metrics = run_test(
        *(cfg, checkpoint, model, args.images, args.out, args.root),
        args.maps,
    )
    width = max(map(len, metrics), default=0)
    lines = [
        f'{name:<{width}}  {value:.4f}' for name, value in metrics.items()
    ]
    return Outcome('\n'.join(lines), {'metrics': metrics})
